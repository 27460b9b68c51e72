# Everything a person types. `make` alone lists it.
.DEFAULT_GOAL := help
ECHOLESS := .venv/bin/echoless
TESTS ?= tests

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

setup:  ## .venv from the pinned lock files; quick when nothing changed
	@bash scripts/setup.sh

talk: setup  ## hold a conversation, here and now
	@$(ECHOLESS) talk

test: setup  ## set up what the tests need and run them; TESTS=tests/mind for a part
	@bash scripts/setup.sh dev
	@.venv/bin/python -m pytest $(TESTS)

test-card: setup  ## the sound card's own tests, on a virtual card; best on a quiet machine
	@bash scripts/setup.sh dev
	@ulimit -f 2000000; ECHOLESS_CARD_TESTS=1 .venv/bin/python -m pytest tests/lines

check: setup  ## format, lint, types: what a change must pass beside the tests
	@bash scripts/setup.sh dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

bench: setup  ## how quick a conversation is here: a table, and out/bench.json
	@mkdir -p out
	@.venv/bin/python -m echoless.bench.talk --json out/bench.json

rehearse: setup  ## many conversations in simulated rooms, judged by their sound: out/rehearsals/report.md
	@.venv/bin/python -m echoless.rooms.suite rehearsals --out out/rehearsals

rehearse-hour: setup  ## one call of an hour at real pace: out/hour/hour.json
	@.venv/bin/python -m echoless.rooms.hour --out out/hour

peers: peers-setup  ## us and two other projects in the same rooms at real pace: out/peers/peers.md
	@.venv/bin/python -m bench.peers.run --out out/peers

peers-setup: setup  ## the other projects' own environments; needs a C compiler and portaudio19-dev
	@bash bench/peers/setup.sh

peers-lock:
	bash bench/peers/lock.sh

test-page: setup  ## the page in a real browser; needs npm and Chromium, and says so
	@bash scripts/setup.sh dev
	@command -v npm >/dev/null || { echo "test-page: no npm: install Node.js 20 or newer"; exit 1; }
	cd page && npm ci --silent && npm run --silent build && npm test --silent
	@command -v go >/dev/null && bash scripts/livekit-setup.sh || echo "test-page: no LiveKit server, so nothing of rooms is tried"
	@.venv/bin/python -m pytest tests/serve -rs

lock:  ## pin the newest versions that fit pyproject.toml, with hashes
	@bash scripts/setup.sh dev
	bash scripts/lock.sh

.PHONY: help setup talk test test-card check bench rehearse rehearse-hour peers peers-setup peers-lock lock

voice-setup: setup  ## .venv-voice: torch and what trains a voice (6 GB)
	@bash scripts/voice-setup.sh

QUALITY ?= x-low
BATCH ?= 32
STEPS ?= 50000
voice:  ## a voice from a data set: make voice DATA=mine NAME=anna (QUALITY, BATCH, STEPS); again to go on
	@test -n "$(DATA)" -a -n "$(NAME)" || { echo "voice: make voice DATA=folder NAME=what-it-is-called"; exit 2; }
	@$(MAKE) --no-print-directory voice-setup
	-@$(ECHOLESS) voice check $(DATA)
	@$(ECHOLESS) voice train $(DATA) --quality $(QUALITY) --batch $(BATCH) --steps $(STEPS) --out out/voice/$(NAME)
	@$(ECHOLESS) voice export out/voice/$(NAME) --name $(NAME) --out .
	@$(ECHOLESS) voice judge ./$(NAME).onnx espeak flite:slt

test-voice:  ## train, export and speak a tiny voice, recolour a data set, hold ours to Resemblyzer
	@bash scripts/setup.sh dev
	@.venv/bin/python -m pytest -rs tests/workshop/test_voice_heavy.py tests/workshop/test_voiceprint_command.py

.PHONY: voice voice-setup test-voice

livekit: livekit-setup  ## the page in LiveKit rooms: server, worker and page on loopback, until Ctrl-C; ARGS="--language zh"
	@.venv/bin/python -m echoless.serve.together $(ARGS)

livekit-setup: setup  ## a LiveKit server (built with Go) and what a worker needs
	@bash scripts/livekit-setup.sh
	@bash scripts/setup.sh livekit

livekit-server: livekit-setup  ## a LiveKit server of your own on loopback, until Ctrl-C; its keys in .livekit/env
	@.venv/bin/python -m echoless.livekit.server

test-livekit: livekit-setup  ## rooms, workers and watchers against a real LiveKit server
	@bash scripts/setup.sh dev
	@.venv/bin/python -m pytest -rs tests/livekit tests/contracts/test_line.py

bench-livekit: livekit-setup peers-setup  ## latency through a LiveKit server, beside livekit-agents: out/bench-livekit.json
	@.venv/bin/python -m bench.livekit.latency --json out/bench-livekit.json

soak: livekit-setup  ## half an hour of four conversations: memory, tasks and descriptors flat? out/soak/soak.png
	@.venv/bin/python -m bench.livekit.soak --out out/soak

.PHONY: bench-livekit soak livekit livekit-setup livekit-server test-livekit

mind-setup: setup  ## .venv-mind: torch and what trains and exports a language model (6 GB)
	@bash scripts/mind-setup.sh

test-mind: setup  ## train, export and verify tiny models of every family, against llama.cpp
	@bash scripts/setup.sh dev
	@bash scripts/mind-setup.sh dev
	@.venv-mind/bin/python -m pytest -rs tests/workshop

.PHONY: mind-setup test-mind
