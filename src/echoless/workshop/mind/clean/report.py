"""The report of a cleaning: for people and for programs, and samples to look at."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from echoless.workshop.mind.clean.checks import REASONS
from echoless.workshop.mind.clean.rules import Report, Rules
from echoless.workshop.mind.disk import write_whole
from echoless.workshop.mind.form import DIALOGUES, HELD_OUT, REJECTED, Talk
from echoless.workshop.mind.text import one_line


def write(report: Report, rules: Rules, out: Path) -> None:
    """`report.md`, `report.json` and `samples.md`."""
    write_whole(out / "report.md", text(report))
    plain = {
        "read": report.read,
        "kept": report.kept,
        "held_out": report.held_out,
        "turns_read": report.turns_read,
        "turns_kept": report.turns_kept,
        "characters_kept": report.characters_kept,
        "reasons": dict(report.reasons),
        "turns_lost": dict(report.turns_lost),
        "mends": dict(report.mends),
        "private": dict(report.private),
        "languages": dict(report.languages),
        "licences": dict(report.licences),
        "alike": [asdict(one) for one in report.alike],
        "rules": {name: str(value) for name, value in vars(rules).items()},
    }
    write_whole(out / "report.json", json.dumps(plain, indent=1, ensure_ascii=False))
    write_whole(out / "samples.md", samples(report))


def text(report: Report) -> str:
    """The report as a page."""
    lines = [
        "# What was cleaned",
        "",
        f"{report.read:,} dialogues with {report.turns_read:,} turns were read; {report.kept:,} with "
        f"{report.turns_kept:,} turns and {report.characters_kept:,} characters stay. (A dialogue that is cut around "
        f"what goes can stay as several.) {report.held_out:,} of them are in {HELD_OUT} for judging, the rest in "
        f"{DIALOGUES}; what went is in {REJECTED}, each with its reasons. Look at samples.md before you train.",
        "",
        "| what went | pieces | turns | why |",
        "|---|---|---|---|",
    ]
    lines += [f"| {r} | {n:,} | {report.turns_lost[r]:,} | {REASONS[r]} |" for r, n in report.reasons.most_common()]
    lines += ["", "| what was put right | places |", "|---|---|"]
    lines += [f"| {name} | {count:,} |" for name, count in report.mends.most_common() if count]
    if report.private:
        lines += ["", "| private | replaced |", "|---|---|"]
        lines += [f"| {name} | {count:,} |" for name, count in report.private.most_common()]
    if report.alike:
        lines += [
            "",
            "Used like words of the list, and not on it (name those that should go in a file for --words):",
            "",
        ]
        lines += [f"- {a.word}: {a.alike:,} of {a.uses:,} uses are where such a word stood" for a in report.alike]
    for title, counts in (("language", report.languages), ("licence", report.licences)):
        lines += ["", f"| {title} | dialogues |", "|---|---|"]
        lines += [f"| {name} | {count:,} |" for name, count in counts.most_common(12)]
    for reason, examples in report.examples.items():
        lines += ["", f"Examples, {reason}:", ""]
        lines += [f"- {one_line(example).replace('|', '/')}" for example in examples]
    return "\n".join(lines) + "\n"


def samples(report: Report) -> str:
    """Dialogues that stay, drawn at random, and the turns that the classifier likes least, for a person to look at."""
    lines = ["# Drawn from what stays", ""]
    for talk in report.samples:
        lines += [f"## {one_line(talk.source, 60)} {talk.key}", "", *_turns(talk), ""]
    worst = sorted(report.doubtful, reverse=True)[:30]
    if worst:
        lines += ["# What the classifier likes least of what stays", ""]
        lines += [f"- {score:.2f} {one_line(said)}" for score, said in worst if score > 0.5]
    return "\n".join(lines) + "\n"


def _turns(talk: Talk) -> list[str]:
    return [f"- {message.role}: {one_line(message.text, 300)}" for message in talk.messages[:12]]
