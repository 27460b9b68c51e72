#!/usr/bin/env bash
# Makes .venv-mind: torch, transformers and what trains and exports a language model, apart from everything else (6 GB).
#   bash scripts/mind-setup.sh        what `echoless mind train` and `export` need
#   bash scripts/mind-setup.sh dev    and what tests them
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
VENV=.venv-mind
PYTHON="$VENV/bin/python"
UV=.venv/bin/uv
LOCKS=(-r requirements-mind.lock)
if [ "${1:-}" = dev ]; then LOCKS+=(-r requirements-dev.lock); fi

stamp_of() { pwd -P; cat scripts/mind-setup.sh pyproject.toml requirements-{mind,dev,converter}.lock | cksum; }
for each in "${1:-run}" dev; do
    if [ -x "$PYTHON" ] && [ "$(cat "$VENV/.setup-$each" 2>/dev/null)" = "$(stamp_of)" ]; then exit 0; fi
done

if [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -d /System/Library/Keychains ]; then
    export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true}
fi
.venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.lock
[ -x "$PYTHON" ] || "$UV" venv -q --python .venv/bin/python "$VENV"
echo "mind-setup: torch and transformers, 3 GB to fetch where they are not in the cache"
"$UV" pip install -q --python "$PYTHON" --require-hashes -r requirements-setup.lock -r requirements-converter.lock
"$UV" pip install --python "$PYTHON" --require-hashes --no-build-isolation "${LOCKS[@]}" 2>&1 | tail -n 1
"$UV" pip install -q --python "$PYTHON" --no-build-isolation --no-deps -e .
OMP_WAIT_POLICY=PASSIVE "$PYTHON" -c 'import torch, transformers, peft, trl, gguf'
"$PYTHON" -m echoless.workshop.mind.export.converter >/dev/null ||
    echo "mind-setup: going on without it: training works, 'echoless mind export' will not"
stamp_of >"$VENV/.setup-${1:-run}"
echo "mind-setup: ready; 'echoless mind train' and 'export' find it by themselves"
