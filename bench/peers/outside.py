"""A second opinion: another scorer, written by others, on the same WAVs. The two must agree.

It is looked for in `$ECHOLESS_SHARED/blackbox` (or `shared` beside the checkout) and is not needed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.peers.canned import REPLY_SECONDS
from bench.peers.table import Judged

from echoless.rooms.people import shared_folder
from echoless.rooms.scorer import NOTICE, Scores
from echoless.rooms.script import ScriptError

WITHIN = NOTICE / 100
NEAR = 0.5
"""Seconds within which both mean the same interruption."""


def scorer() -> Path | None:
    """The other scorer's program, or None."""
    try:
        program = shared_folder() / "blackbox" / "score.py"
    except ScriptError:
        return None
    return program if program.is_file() else None


def judge(program: Path, folder: Path) -> dict[str, Any] | None:
    """What it says of a call's folder, or None where it fails."""
    command = [sys.executable, str(program), str(folder), "--reply-s", str(REPLY_SECONDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return json.loads(done.stdout) if done.returncode == 0 else None


def differences(ours: Scores, theirs: Mapping[str, Any]) -> list[str]:
    """Where the two do not agree, in words. A burst that theirs calls resumed (the rest of a reply that had stopped)
    has no name of its own in ours: there it is a reply or a self-answer."""
    found = []
    kinds = [b["kind"] for b in ours.bursts]
    mine, other = kinds.count("self_answer"), int(theirs["self_answers"])
    if not other <= mine <= other + int(theirs["resumed"]):
        found.append(f"self-answers {mine} / {other} (resumed {theirs['resumed']})")
    mine, other = kinds.count("reply"), int(theirs["replies"])
    if not other <= mine <= other + int(theirs["resumed"]):
        found.append(f"replies {mine} / {other} (resumed {theirs['resumed']})")
    for talker in ours.talkers:
        if talker["kind"] == "interrupt" and "noticed" in talker:
            stop = next((b["stop_s"] for b in theirs["barge_in"] if abs(b["at"] - talker["begin"]) < NEAR), None)
            noticed = stop is not None and stop <= WITHIN
            if noticed != talker["noticed"]:
                found.append(f"interruption noticed {talker['noticed']} / {noticed} (its stop: {stop} s)")
    mine, other = len(ours.self_interruptions), len(theirs["false_stops"])
    if mine != other:
        found.append(f"false stops {mine} / {other}")
    return found


def report(calls: Iterable[Judged]) -> str:
    """Markdown: in how many calls both agree, and every difference, ours first."""
    lines, agree, total = [], 0, 0
    for call in calls:
        if call.other is None or call.scores is None or not call.valid:
            continue
        found = differences(call.scores, call.other)
        total += 1
        agree += not found
        lines += [f"- {call.agent} at {call.level:+g} dB, seed {call.seed}: {'; '.join(found)}"] if found else []
    if not total:
        return "The other scorer was not at hand.\n"
    head = f"Both scorers agree on self-answers, replies, interruptions and false stops in {agree} of {total} calls."
    return "\n".join([head, *(["", "Where they differ (ours / theirs):", "", *lines] if lines else [])]) + "\n"
