"""What only the agent's own record can tell of a rehearsed call: no score comes from it, and the report says so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rapidfuzz.distance import Levenshtein

from echoless.frames import RATE, Samples
from echoless.rooms.script import Script


def plain_words(text: str) -> list[str]:
    """Lower case, no punctuation, for counting errors."""
    return re.sub(r"[^\w' ]+", " ", text.lower().replace("’", "'")).split()


def add(folder: Path, script: Script, seed: int) -> None:
    """Write claims.json: what only the agent's own record can tell. No score comes from it.

    `words`: for each English talker whose words are known, the errors of what the call understood and of what the
    same recogniser makes of the same voice in the same room without any echo. `false_ducks`: (when, for how long) the
    agent says that it held its breath and went on, though nobody had spoken for 2 s. `went_on`: where what was scored a
    self-answer was, it says, the same reply after it had held its breath for over 0.8 s. `to_nobody`: (when, which
    words) it took for somebody's turn, and answered, though nobody had spoken for a second before they began. By sound
    alone some of those are not seen, as somebody cuts in just then.
    """
    scores, events = _scores_and_events(folder)
    _write(folder, {"words": _words(scores, events, script, seed), **_of_the_record(scores, events)})


def renew(folder: Path) -> None:
    """Reckon the claims of a rehearsed call anew, all but the words, which need a recogniser."""
    words = json.loads((folder / "claims.json").read_text("utf-8"))["words"]
    _write(folder, {"words": words, **_of_the_record(*_scores_and_events(folder))})


def _scores_and_events(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text("utf-8").splitlines()]
    return json.loads((folder / "scores.json").read_text()), events


def _write(folder: Path, claims: dict[str, Any]) -> None:
    (folder / "claims.json").write_text(json.dumps(claims, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _of_the_record(scores: dict[str, Any], events: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "false_ducks": _claimed_ducks(scores, events),
        "went_on": _went_on(scores, events),
        "to_nobody": _to_nobody(scores, events),
    }


def _claimed_ducks(scores: dict[str, Any], events: Iterable[dict[str, Any]]) -> list[tuple[float, float]]:
    out, since = [], None
    for event in events:
        if event["event"] == "agent.ducked":
            since = event["t"]
        elif event["event"] == "agent.resumed" and since is not None:
            spoken = any(t["begin"] < event["t"] and since < t["end"] + 2 for t in scores["talkers"])
            if not spoken:
                out.append((since, round(event["t"] - since, 3)))
            since = None
    return out


def _went_on(scores: dict[str, Any], events: Sequence[dict[str, Any]]) -> list[float]:
    turns = [(e["t"], e["event"]) for e in events if e["event"] in ("agent.started", "agent.resumed")]
    begins = [float(b["begin"]) for b in scores["bursts"] if b["kind"] == "self_answer"]
    # the record's clock is that of the block that is over, up to 16 ms behind what is heard
    return [at for at in begins if max((t for t in turns if t[0] < at + 0.05), default=(0, ""))[1] == "agent.resumed"]


def _to_nobody(scores: dict[str, Any], events: Iterable[dict[str, Any]]) -> list[tuple[float, str]]:
    out, since = [], 0.0
    for event in events:
        if event["event"] == "user.started":
            since = event["t"]
        elif event["event"] == "user.said" and not any(
            t["begin"] < event["t"] and since < t["end"] + 1 for t in scores["talkers"]
        ):
            out.append((since, event["text"]))
    return out


def _words(scores: dict[str, Any], events: Sequence[dict[str, Any]], script: Script, seed: int) -> list[dict[str, Any]]:
    from echoless.rooms.acoustics import places
    from echoless.rooms.rehearse import kept_recogniser
    from echoless.rooms.talkers import prepare

    said = [event for event in events if event["event"] == "user.said"]
    where = places(script.room, seed)
    out = []
    for one in scores["talkers"]:
        talker = script.talkers[one["number"]]
        if not talker.text or talker.language not in (None, "en") or one["kind"] not in ("turn", "interrupt", "quote"):
            continue
        truth = plain_words(talker.text)
        heard = " ".join(event["text"] for event in said if one["begin"] < event["t"] < one["end"] + 3.0)
        alone: Samples = prepare(talker, one["number"], script, where, seed).wet
        clean = kept_recogniser("en").transcribe(alone[: 30 * RATE], "en").text
        errors, at_best = (Levenshtein.distance(truth, plain_words(text)) for text in (heard, clean))
        row = {key: one[key] for key in ("number", "kind", "over_agent")}
        out.append(row | {"words": len(truth), "errors": errors, "errors_without_echo": at_best, "heard": heard})
    return out
