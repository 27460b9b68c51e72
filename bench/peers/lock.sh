#!/usr/bin/env bash
# Writes the peers' lock files: versions and hashes for Python 3.11 on Linux, no registry named.
#   bash bench/peers/lock.sh [--upgrade]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
.venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.lock
for peer in pipecat livekit; do
    .venv/bin/uv pip compile -q --allow-unsafe --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-emit-find-links --custom-compile-command "make peers-lock" "$@" \
        "bench/peers/$peer.in" -o "bench/peers/$peer.lock"
done
if grep -nE 'https?://' bench/peers/*.lock; then echo "peers: a lock file names an address" >&2; exit 1; fi
