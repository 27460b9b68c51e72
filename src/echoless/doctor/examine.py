"""`echoless doctor`: looks at what is there, tries every part for real, and says what to do about what fails."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape

from echoless.doctor.checks import CHECKS
from echoless.doctor.findings import Check, Finding, Patient
from echoless.settings import Settings
from echoless.tongue import Translate, tongue

MARK = {"ok": "[green]✓[/]", "missing": "[yellow]–[/]", "failed": "[red]✗[/]"}


def examine(settings: Settings, as_json: bool = False, console: Console | None = None) -> int:
    """Make every check and print each line as it is known; 0, or 1 where a part that a call needs has failed."""
    console, say = console or Console(highlight=False), tongue(settings.language)
    patient, findings, section = Patient(settings), [], ""
    for title, check in CHECKS:
        if title != section and not as_json:
            console.print(f"\n[bold]{say(title)}[/]" if section else f"[bold]{say(title)}[/]")
            section = title
        for finding in attempt(check, patient):
            findings.append(finding)
            if not as_json:
                _print(console, finding, say)
    failed = [finding for finding in findings if finding.state == "failed"]
    if as_json:
        console.print_json(json.dumps({"ok": not failed, "findings": [asdict(finding) for finding in findings]}))
    elif failed:
        told = say(f"{len(failed)} of {len(findings)} checks failed. What to do stands beside each.")
        console.print(f"\n[red]{told}[/]")
    else:
        console.print(f"\n[green]{say(f'All {len(findings)} checks passed, apart from what is marked –.')}[/]")
    return 1 if failed else 0


def attempt(check: Check, patient: Patient) -> Iterator[Finding]:
    """The findings of a check; whatever it raises is one too."""
    begun = time.perf_counter()
    try:
        yield from check(patient)
    except Exception as error:  # whatever breaks in a part is what a doctor is for
        message = " ".join(str(error).split()) or type(error).__name__
        ours = type(error).__module__.partition(".")[0] == "echoless"
        advice = "" if ours else "a defect of ours; 'echoless doctor --json' shows where, please report it"
        more = {} if ours else {"traceback": traceback.format_exc()}
        took = 1000 * (time.perf_counter() - begun)
        yield Finding(check.__name__.replace("_", " "), "failed", message, advice, took, more)


def _print(console: Console, finding: Finding, say: Translate) -> None:
    took = f" [dim]{_duration(finding.milliseconds)}[/]" if finding.milliseconds is not None else ""
    console.print(
        f"  {MARK[finding.state]} {escape(say(finding.part)):<14} {escape(say(finding.what))}{took}", soft_wrap=True
    )
    if finding.advice:
        console.print(f"    {'':<14} [yellow]→ {escape(say(finding.advice))}[/]", soft_wrap=True)


def _duration(milliseconds: float) -> str:
    return f"{milliseconds:.2f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"
