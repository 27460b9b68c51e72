#!/usr/bin/env bash
# Makes the peers' own environments, .venv-peers-pipecat and .venv-peers-livekit, from the pinned lock files beside this.
# Quick when nothing changed. PyAudio has no wheel for Linux: it is built here, with a C compiler and PortAudio's headers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

say() { printf 'peers: %s\n' "$*"; }
fail() { printf 'peers: %s\n' "$*" >&2; exit 1; }

for tool in pulseaudio pactl espeak-ng cc; do
    command -v "$tool" >/dev/null ||
        fail "no $tool; run: sudo apt-get install pulseaudio pulseaudio-utils libasound2-plugins espeak-ng gcc portaudio19-dev python3-dev"
done
echo '#include <portaudio.h>' | cc -E - >/dev/null 2>&1 || fail "no portaudio.h; run: sudo apt-get install portaudio19-dev"
if [ -e /etc/ssl/certs/ca-certificates.crt ]; then export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true}; fi

for peer in pipecat livekit; do
    venv=.venv-peers-$peer
    lock=bench/peers/$peer.lock
    stamp="$(pwd -P) $(cat requirements-setup.lock requirements-uv.lock "$lock" | cksum)"
    if [ -x "$venv/bin/python" ] && [ "$(cat "$venv/.made-from" 2>/dev/null)" = "$stamp" ]; then
        say "$venv is ready"
        continue
    fi
    say "making $venv (300-500 MB to fetch the first time) ..."
    rm -rf "$venv"
    .venv/bin/python -m venv "$venv"
    pip=("$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes)
    "${pip[@]}" -r requirements-setup.lock -r requirements-uv.lock || fail "nothing could be fetched; is there a network?"
    "$venv/bin/uv" pip install --python "$venv/bin/python" --no-build-isolation --require-hashes -r "$lock" ||
        fail "$lock could not be installed; the lines above say why"
    printf '%s\n' "$stamp" >"$venv/.made-from"
    say "$venv is ready"
done
