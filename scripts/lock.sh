#!/usr/bin/env bash
# Writes the lock files: every version and hash, for every platform and Python from 3.11, no registry named.
#   bash scripts/lock.sh [--upgrade]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
UV=.venv/bin/uv
.venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.lock
pin() {
    "$UV" pip compile --allow-unsafe -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
        --custom-compile-command "make lock" "$@"
}
pin "$@" requirements-uv.in -o requirements-uv.lock
pin "$@" requirements-setup.in -o requirements-setup.lock
pin "$@" pyproject.toml -o requirements.lock
pin "$@" pyproject.toml --extra livekit -c requirements.lock -o requirements-livekit.lock
pin "$@" --group dev -c requirements.lock -o requirements-dev.lock
pin "$@" pyproject.toml --extra mind --extra text -c requirements.lock -c requirements-dev.lock -o requirements-mind.lock
pin "$@" requirements-converter.in -c requirements-mind.lock -o requirements-converter.lock
grep -nE 'https?://' requirements*.lock && { echo "lock: a lock file names an address" >&2; exit 1; }
echo "lock: $(cat requirements*.lock | grep -c '==') pins"
