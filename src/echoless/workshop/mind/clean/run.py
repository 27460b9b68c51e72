"""Clean: one pass over the collected dialogues; what goes is written down with its reasons."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO, Protocol

from echoless.mind.lexicon import Lexicon, load_words, shipped
from echoless.workshop.mind.clean import mend
from echoless.workshop.mind.clean.alike import alike_in
from echoless.workshop.mind.clean.checks import REASONS, Limits, check
from echoless.workshop.mind.clean.cut import cut, said
from echoless.workshop.mind.clean.language import language_of
from echoless.workshop.mind.clean.names import Names
from echoless.workshop.mind.clean.near import NearDuplicates
from echoless.workshop.mind.clean.private import find as find_private
from echoless.workshop.mind.clean.private import mask, shade
from echoless.workshop.mind.clean.rules import Report, Rules
from echoless.workshop.mind.collect.kinds import PRIVATE
from echoless.workshop.mind.disk import private_folder, told
from echoless.workshop.mind.errors import MindError
from echoless.workshop.mind.form import DIALOGUES, HELD_OUT, REJECTED, Talk, count_lines, dumps, find, read_talks

MENDS = {
    "mojibake": "text that was decoded wrongly",
    "spaces": "spaces, line ends, control characters, NFC",
    "speech": "formatting and emoji in replies, lines joined to sentences",
    "script": "simplified or traditional characters, as --script says",
    "private": "e-mail, phone, card, identity and account numbers, addresses: others stand in",
    "names": "names of people in chats: others stand in",
}
"""What is put right."""
SAFE = "nothing was written; free some space and run the same command again"


class Watch(Protocol):
    """Told how it goes, as `progress.Bar`."""

    def begins(self, name: str, size: int | None) -> None: ...
    def advances(self, count: int) -> None: ...
    def says(self, note: str) -> None: ...


class Cleaner:
    """The rules at work on one dialogue after another."""

    def __init__(self, rules: Rules, seen: NearDuplicates) -> None:
        own = load_words(rules.words) if rules.words else Lexicon(())
        self.rules, self.report = rules, Report()
        self.limits = Limits(rules.longest, shipped("all") | own)
        self._seen = seen
        self._names: dict[str, Names] = {}
        self._draw = random.Random(rules.seed)

    def clean(self, talk: Talk) -> tuple[list[Talk], list[tuple[Talk, list[str]]]]:
        """What stays of a dialogue, and what goes with its reasons."""
        report = self.report
        report.read, report.turns_read = report.read + 1, report.turns_read + len(talk.messages)
        talk = replace(self._mended(talk), id=talk.key)
        kept, gone = cut(talk, [check(message, self.limits, self.rules.wants) for message in talk.messages])
        good = []
        for part in kept:
            if why := self._whole(part):
                gone.append((part, [why]))
            else:
                good.append(part)
        for part, reasons in gone:
            report.reasons.update(reasons)
            for reason in reasons:
                report.turns_lost[reason] += len(part.messages)
                report.example(reason, self._masked(part, reason))
        for part in good:
            self._count(part)
        return good, gone

    def _whole(self, talk: Talk) -> str:
        """A reason to leave out all of a dialogue."""
        text = said(talk)
        if self.rules.languages and self.rules.wants("language") and talk.language not in ("", *self.rules.languages):
            return "language"
        if self.rules.wants("duplicate") or self.rules.wants("near-duplicate"):
            found = self._seen.seen(text, talk.key)
            if found and self.rules.wants(found[0]):
                return found[0]
        return ""

    def _mended(self, talk: Talk) -> Talk:
        for name, fix in self._fixes():
            texts = [fix(m.text) if name != "speech" or m.role == "assistant" else m.text for m in talk.messages]
            changed = sum(old.text != new for old, new in zip(talk.messages, texts, strict=True))
            self.report.mends[name] += changed
            talk = talk.with_texts(texts)
        if self.rules.wants("names") and talk.kind in PRIVATE:
            names = self._names.setdefault(talk.source, Names(talk.source))
            before = names.replaced
            talk = names.replace(talk)
            self.report.mends["names"] += names.replaced - before
        return replace(talk, language=language_of(said(talk)) or talk.language)

    def _fixes(self) -> Iterator[tuple[str, Callable[[str], str]]]:
        wants = self.rules.wants
        if wants("mojibake"):
            yield "mojibake", mend.undo_mojibake
        if wants("spaces"):
            yield "spaces", mend.spaces
        if wants("speech"):
            yield "speech", lambda text: text if "```" in text else mend.speakable(text)
        if self.rules.script and wants("script"):
            yield "script", lambda text: mend.to_script(text, self.rules.script)
        if "private" not in self.rules.off and "private" not in self.rules.on:
            yield "private", self._hidden

    def _hidden(self, text: str) -> str:
        hidden, found = mask(text)
        if found:
            self.report.private.update(found)
            for each in find_private(text):
                self.report.example("replaced", f"{each.kind}: {shade(text[each.start : each.end])}")
        return hidden

    def _masked(self, talk: Talk, reason: str) -> str:
        text = re.sub(r"\s+", " ", " / ".join(message.text for message in talk.messages))
        found = self.limits.lexicon.finds(text)
        for each in reversed(found):
            text = text[: each.start + 1] + "•" * (each.end - each.start - 1) + text[each.end :]
        if reason == "nsfw" and found:
            text = text[max(0, found[0].start - 50) :]
        return shade(text[:120]) if reason == "private" else text[:120]

    def _count(self, talk: Talk) -> None:
        """Numbers of what stays, a fair sample of it, and what a person should look at."""
        report = self.report
        report.kept, report.turns_kept = report.kept + 1, report.turns_kept + len(talk.messages)
        report.characters_kept += sum(len(message.text) for message in talk.messages)
        report.languages[talk.language or "unknown"] += 1
        report.licences[talk.licence or "not said"] += 1
        place = report.kept - 1 if report.kept <= 40 else self._draw.randrange(report.kept)
        if place < 40:
            report.samples[place : place + 1] = [talk]
        if self.rules.wants("nsfw"):
            self._doubt(talk)

    def _doubt(self, talk: Talk) -> None:
        from echoless.workshop.mind.safety.classifier import shipped as classifier

        worst = max(((classifier()(m.text), m.text) for m in talk.messages if m.role != "system"), default=(0.0, ""))
        doubtful = self.report.doubtful
        doubtful.append(worst)
        if len(doubtful) > 400:
            doubtful.sort(reverse=True)
            del doubtful[40:]


def clean(data: Path, out: Path, rules: Rules, watch: Watch) -> Report:
    """Read the dialogues of `data` and write what stays, what goes, and a report to `out`. Raises MindError."""
    from echoless.workshop.mind.clean.report import write

    wrong = (rules.off | rules.on) - REASONS.keys() - MENDS.keys()
    if wrong:
        raise MindError(f"{', '.join(sorted(wrong))}: not one of {', '.join([*REASONS, *(set(MENDS) - {'private'})])}")
    source = find(data)
    if source.resolve() == (out / DIALOGUES).resolve():
        raise MindError(f"{out} is what is read: take another folder for --out")
    watch.begins("cleaning", count_lines(source))
    with told(out, SAFE), ExitStack() as stack:
        private_folder(out)
        seen = NearDuplicates(out, rules.alike)
        stack.callback(seen.close)
        cleaner = Cleaner(rules, seen)
        files = {name: stack.enter_context(Part(out / name)) for name in (DIALOGUES, REJECTED, HELD_OUT)}
        for talk in read_talks(source):
            kept, gone = cleaner.clean(talk)
            for part in kept:
                held = _held(part.key, rules)
                cleaner.report.held_out += held
                files[HELD_OUT if held else DIALOGUES].write(dumps(part.as_json()))
            for part, reasons in gone:
                files[REJECTED].write(dumps(part.as_json() | {"reasons": reasons}))
            watch.advances(1)
        for file in files.values():
            file.done()
        if rules.wants("nsfw"):
            cleaner.report.alike = alike_in(out, cleaner.limits.lexicon)
        write(cleaner.report, rules, out)
    return cleaner.report


def _held(key: str, rules: Rules) -> bool:
    """Whether a dialogue is kept for judging: the same ones each time."""
    return random.Random(f"{rules.seed} {key}").random() < rules.hold_out


class Part:
    """A file that is there when it is whole: `done` puts it in its place, an error leaves nothing behind."""

    def __init__(self, path: Path) -> None:
        self._path, self._part = path, path.with_name(f"{path.name}.part")
        self._file: IO[str] = self._part.open("w", encoding="utf-8")
        self._part.chmod(0o600)

    def write(self, line: str) -> None:
        """Add a line."""
        self._file.write(line)

    def done(self) -> None:
        """Put it in its place."""
        self._file.close()
        self._part.replace(self._path)

    def __enter__(self) -> Part:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._file.close()
        finally:
            self._part.unlink(missing_ok=True)
