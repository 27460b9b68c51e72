#!/usr/bin/env bash
# Installs livekit-server, pinned, into .livekit/bin with the Go tool chain; quick when it is there already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VERSION=v1.13.5
BIN="$PWD/.livekit/bin"
PROGRAM="$BIN/livekit-server"
say() { printf 'livekit: %s\n' "$*"; }

if [ -x "$PROGRAM" ] && "$PROGRAM" --version 2>/dev/null | grep -qF "${VERSION#v}"; then exit 0; fi

if ! command -v go >/dev/null; then
    os=$(uname -s | tr '[:upper:]' '[:lower:]')
    case $(uname -m) in x86_64) cpu=amd64 ;; aarch64 | arm64) cpu=arm64 ;; *) cpu=$(uname -m) ;; esac
    {
        say "there is no Go tool chain here to build livekit-server with. Either install Go 1.24 or newer, or take the"
        say "official program livekit_${VERSION#v}_${os}_${cpu}.tar.gz from the releases of github.com/livekit/livekit"
        say "(macOS: brew install livekit) and put livekit-server into $BIN or on the PATH. Then run this again."
    } >&2
    command -v livekit-server >/dev/null && { say "going on with $(command -v livekit-server)"; exit 0; }
    exit 1
fi

say "building livekit-server $VERSION (about two minutes and 75 MB the first time) ..."
mkdir -p "$BIN" .livekit/build
begun=$SECONDS
log=$(mktemp)
if ! GOBIN="$PWD/.livekit/build" go install "github.com/livekit/livekit-server/cmd/server@$VERSION" >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    rm -f "$log"
    say "it could not be built; the lines above say why" >&2
    exit 1
fi
rm -f "$log"
mv .livekit/build/server "$PROGRAM"
rmdir .livekit/build 2>/dev/null || true
say "livekit-server is ready after $((SECONDS - begun)) s"
