"""Judges one rehearsal from outside: reads user.wav, speaker.wav and the script, and nothing that the agent says
of itself. The words used here are defined in docs/rooms.md.

Times are seconds. Levels are of 10 ms frames.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from echoless.ears.vad import CHUNK, VoiceActivity
from echoless.frames import RATE, Samples
from echoless.rooms.bursts import FRAME, BurstFinder, frame_levels, runs
from echoless.rooms.levels import USER_DBFS, active_level, read_wav
from echoless.rooms.script import Script, Talker
from echoless.rooms.talkers import dry_voice, fire_times

DOWN_DB = 20.0
NOTICE, STAYS, CUT_PAUSE, EXCUSE = 150, 100, 60, 200
"""Frames: time to notice an interruption, how long the agent must stay down, the longest pause inside a reply, and
for how long somebody's words explain that the agent falls silent."""
ANSWERS_WITHIN = 800
"""Frames after a turn within which an answer to it must begin."""
TOO_SOON = 10
"""Frames: what begins sooner after the user's last sound than this is no answer to it but a going on."""
OVER_NOISE = 10.0
"""dB over a recording's softest twentieth from which on somebody speaks in it."""
SPOKEN = 10
"""Frames of user's speech that explain a reply."""
HELD, WENT_ON = 30, 20
"""Frames: an agent that fell silent for so long at a nod and was then audible for so long has decided to talk on. Where
its reply is over soon afterwards, that is the reply's own end."""
WHOLE = 0.85
"""Share of the shortest whole reply after which a reply may be over by itself: voices are not all equally fast."""
_WORDS = ("turn", "interrupt", "short", "quote")
_DUCK = (9, CUT_PAUSE)
_EDGE_DB, _ALIKE, _SILENCE = 12.0, 0.8, 2.5 / 32768
_FADE, _SIDE = int(0.008 * RATE), 256
_BANDS = np.unique(np.geomspace(2, 110, 20).astype(int))


@dataclass(slots=True)
class Said:
    """A talker that was heard: frames [begin, end), speaking until `until`, and what came of it."""

    talker: Talker
    number: int
    begin: int
    end: int
    until: int
    kind: str = "turn"
    over_agent: bool = False


@dataclass(slots=True)
class Scores:
    """What happened in one rehearsal. Times in seconds from its beginning; see `measures.pool` for the rates."""

    seconds: float
    agent_speech: float
    agent_dbfs: float | None
    bursts: list[dict[str, object]] = field(default_factory=list)
    """`begin`, `end`, `kind` (reply, self_answer, unprompted, to_backchannel, to_noise), `latency`, `over_user`."""
    talkers: list[dict[str, object]] = field(default_factory=list)
    """`number`, `kind`, `begin`, `end`, `over_agent`, `who`, and where they apply `text` with `language`, `noticed`,
    `ducked`, `clear`, `stopped`, `stops_agent`, `answered`."""
    self_interruptions: list[float] = field(default_factory=list)
    """When the agent fell silent in the middle of a reply though nobody spoke."""
    false_ducks: list[tuple[float, float]] = field(default_factory=list)
    """(when, for how long) the agent held its breath though nobody spoke: as far as that can be heard. About half of
    the time held in natural speech is found, and some pauses wrongly (docs/rooms.md)."""
    unheard: int = 0
    """Talkers that were never cued."""
    tags: dict[str, str | float] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def score(folder: Path, script: Script) -> Scores:
    """Judge a rehearsal's folder. Raises ValueError, one line, where a WAV is missing."""
    return judge(read_wav(folder / "user.wav"), read_wav(folder / "speaker.wav"), script)


def judge(user: Samples, speaker: Samples, script: Script) -> Scores:
    """As `score`, of float32 samples at 16 kHz."""
    return _Judge(user, speaker, script).scores()


class _Judge:
    def __init__(self, user: Samples, speaker: Samples, script: Script) -> None:
        self.script, self.user, self.speaker = script, user, speaker
        self.level = active_level(speaker)
        self.levels = frame_levels(speaker)
        self.audible_dbfs = max(-60.0, self.level - 30) if np.isfinite(self.level) else -60.0
        finder = BurstFinder(self.audible_dbfs)
        finder.feed(speaker)
        self.bursts = [(b.begin, b.end or len(self.levels)) for b in finder.finish()]
        self.said, self.unheard = self._who_spoke()
        user_levels = frame_levels(user)[: len(self.levels)]
        self.speech = self._spoken(user_levels, _WORDS)
        self.any_voice = self._spoken(user_levels, {*_WORDS, "backchannel", "noise"})

    def scores(self) -> Scores:
        audible = float(np.count_nonzero(self.levels > self.audible_dbfs)) / 100
        level = round(self.level, 1) if np.isfinite(self.level) else None
        out = Scores(len(self.levels) / 100, audible, level, unheard=self.unheard, tags=dict(self.script.tags))
        out.bursts = [self._burst(i) for i in range(len(self.bursts))]
        out.talkers = [self._talker(i) for i in range(len(self.said))]
        for (begin, end), burst in zip(self.bursts, out.bursts, strict=True):
            self._silences(begin, end, str(burst["kind"]), out)
        return out

    # --- the user --------------------------------------------------------------------------------------------

    def _who_spoke(self) -> tuple[list[Said], int]:
        said, unheard = [], 0
        for number, (talker, at) in enumerate(
            zip(self.script.talkers, fire_times(self.script, self.speaker), strict=True)
        ):
            if talker.who == "media":
                continue
            begin = None if at is None else at // FRAME
            if begin is None or begin >= len(self.levels):
                unheard += 1
                continue
            dry = dry_voice(talker, self.script)
            end = min(begin + len(dry) // FRAME, len(self.levels))
            one = Said(talker, number, begin, end, end)
            one.over_agent = any(b + 20 < begin < e for b, e in self.bursts)
            one.kind = talker.kind or ("interrupt" if one.over_agent else "turn")
            if one.kind in _WORDS:
                one.until = min(end, begin + round(last_word(dry) * 100))
            said.append(one)
        return sorted(said, key=lambda s: s.begin), unheard

    def _spoken(self, levels: NDArray, kinds: Collection[str]) -> NDArray[np.bool_]:
        """Frames in which a talker of these kinds is within 30 dB of its own level, and over its recording's noise; a
        breath after the last word is no speech."""
        on = np.zeros(len(self.levels), bool)
        for one in self.said:
            part = levels[one.begin : one.end]
            if one.kind in kinds and len(part):
                own, noise = USER_DBFS + one.talker.gain_db, float(np.percentile(part, 5))
                least = max(own - 30, min(noise + OVER_NOISE, own - 12))
                spoken = part[: one.until - one.begin] > least
                on[one.begin : one.begin + len(spoken)] |= spoken
        return on

    # --- what the agent says ----------------------------------------------------------------------------------

    def _burst(self, number: int) -> dict[str, object]:
        begin, end = self.bursts[number]
        since, ended = self.bursts[number - 1] if number else (0, 0)
        until = max(since, begin - 2)  # sound that starts with the burst cannot have caused it
        before = slice(since, until)
        # a nod or a cough is what the agent stopped for, or came after it: else it goes on by itself
        lately = slice(max(since, ended - EXCUSE), until)
        out: dict[str, object] = {"begin": begin / 100, "end": end / 100}
        if np.count_nonzero(self.speech[before]) >= SPOKEN:
            last = int(np.flatnonzero(self.speech[:begin])[-1]) + 1
            out |= {"kind": "reply", "latency": (begin - last) / 100}
            out["over_user"] = bool(begin - last < TOO_SOON or self.speech[begin : begin + 5].all())
        elif np.count_nonzero(self.any_voice[lately]) >= SPOKEN:
            kinds = {s.kind for s in self.said if since <= s.begin < begin}
            out["kind"] = "to_backchannel" if "backchannel" in kinds else "to_noise"
        else:
            out["kind"] = "self_answer" if number else "unprompted"
        return out

    # --- what became of what the user said ----------------------------------------------------------------------

    def _talker(self, index: int) -> dict[str, object]:
        one = self.said[index]
        out: dict[str, object] = {
            "number": one.number,
            "kind": one.kind,
            "begin": one.begin / 100,
            "end": one.end / 100,
            "over_agent": one.over_agent,
            "who": one.talker.who,
        }
        if one.talker.text:
            out |= {"text": one.talker.text, "language": one.talker.language or "en"}
        if one.over_agent:
            down = self._down(one.begin, DOWN_DB)
            if one.kind in ("backchannel", "noise"):
                around = self.speech[max(0, one.begin - NOTICE) : one.end + NOTICE]
                if around.any() or self._may_be_over(one.begin, one.end + NOTICE):
                    return out  # whatever the agent does then may be owed to somebody else, or to nobody
                stops = down is not None and down <= one.end + NOTICE and not self._went_on(one.begin, down)
                out["stops_agent"] = stops
            elif one.begin + NOTICE + STAYS <= len(self.levels):
                noticed = down is not None and down - one.begin <= NOTICE
                out["noticed"] = noticed
                if noticed and down is not None:
                    out["ducked"] = (down - one.begin) / 100
                    out["clear"] = onset(self.user[one.begin * FRAME : (one.begin + NOTICE) * FRAME])
                    stopped = self._silent(down)
                    out["stopped"] = None if stopped is None else (stopped - one.begin) / 100
        if one.kind not in ("backchannel", "noise") and one.talker.who == "user":
            out["answered"] = self._answered(index)
        return out

    def _down(self, at: int, by: float) -> int | None:
        """The first frame from `at` on from which the agent stays `by` dB under its level so far, for 1 s."""
        begin = max(b for b, e in self.bursts if b < at)
        before = active_level(self.speaker[begin * FRAME : at * FRAME])
        return self._stays(self.levels < before - by, at)

    def _went_on(self, begin: int, down: int) -> bool:
        """Whether the agent held its breath in frames [begin, down) and then talked on: it ended later by itself."""
        audible = self.levels[begin:down] > self.audible_dbfs
        held = self._stays(~audible, 0, HELD)
        return held is not None and int(np.count_nonzero(audible[held:])) >= WENT_ON

    def _may_be_over(self, at: int, until: int) -> bool:
        """Whether the reply that frame `at` lies in may end by itself before `until`."""
        whole = self.script.reply_seconds
        number = max(i for i, (begin, _) in enumerate(self.bursts) if begin < at)
        while number and self._burst(number)["kind"] != "reply":  # the rest of one that was held for a nod
            number -= 1
        return whole is not None and until > self.bursts[number][0] + WHOLE * whole * 100

    def _silent(self, at: int) -> int | None:
        return self._stays(self.levels < self.audible_dbfs, at)

    def _stays(self, low: NDArray[np.bool_], at: int, frames: int = STAYS) -> int | None:
        """The first frame from `at` on from which `frames` in a row are low."""
        while at + frames <= len(low):
            loud = np.flatnonzero(~low[at : at + frames])
            if not len(loud):
                return at
            at += int(loud[-1]) + 1
        return None

    def _answered(self, index: int) -> bool | None:
        """Whether an answer begins in time. None where the user goes on first, or the recording ends too early."""
        one = self.said[index]
        later = next((s for s in self.said[index + 1 :] if s.kind not in ("backchannel", "noise")), None)
        until = one.until + ANSWERS_WITHIN
        for begin, _ in self.bursts:
            if one.until + TOO_SOON <= begin < until and (later is None or begin < later.end):
                return True
        if later is not None and later.begin < until:
            return None
        return None if until > len(self.levels) else False

    # --- silences that nobody asked for ---------------------------------------------------------------------------

    def _silences(self, begin: int, end: int, kind: str, out: Scores) -> None:
        for since, until in runs(self.levels[begin:end] < self.audible_dbfs):
            a, b = begin + since, begin + until
            if self._excused(a):
                continue
            if b - a > CUT_PAUSE:
                if not self._cut_into(a):
                    out.self_interruptions.append(a / 100)
            elif _DUCK[0] <= b - a and self._held(a, b):
                out.false_ducks.append((a / 100, (b - a) / 100))
        whole = self.script.reply_seconds
        # what begins after a nod may be the rest of a reply that was held for it: that may be short
        cut = whole is not None and (end - begin) / 100 < WHOLE * whole and kind not in ("to_backchannel", "to_noise")
        if cut and end < len(self.levels) - STAYS and not self._excused(end) and not self._cut_into(end):
            out.self_interruptions.append(end / 100)

    def _excused(self, at: int) -> bool:
        """Whether anybody spoke shortly before."""
        return bool(self.any_voice[max(0, at - EXCUSE) : at].any())

    def _cut_into(self, at: int) -> bool:
        """Whether somebody began to speak in a pause that was not too long by then."""
        return bool(self.any_voice[at : at + CUT_PAUSE].any())

    def _held(self, begin: int, end: int) -> bool:
        """Whether the voice was held between these frames and went on with the same sound, as no pause of speech does:
        it broke off and set in at once, and sounds alike on both sides."""
        hole = np.abs(self.speaker[begin * FRAME - FRAME : end * FRAME + FRAME])
        sound = np.flatnonzero(hole > _SILENCE)
        middle = len(hole) // 2
        left, right = sound[sound < middle], sound[sound >= middle]
        if not len(left) or not len(right) or (right[0] - left[-1]) < _DUCK[0] * FRAME:
            return False
        first, last = begin * FRAME - FRAME + int(left[-1]) + 1, begin * FRAME - FRAME + int(right[0])
        before, after = self._sound(first - _FADE - _SIDE), self._sound(last + _FADE)
        if before is None or after is None:
            return False
        alike = float(np.corrcoef(before, after)[0, 1])
        return alike > _ALIKE and abs(float(np.mean(before - after))) < _EDGE_DB

    def _sound(self, at: int) -> NDArray | None:
        """Band levels in dB of the 16 ms from sample `at` on; None where nothing loud is there."""
        piece = self.speaker[max(0, at) : at + _SIDE]
        if len(piece) < _SIDE or 10 * np.log10(np.mean(np.square(piece)) + 1e-12) < self.level - _EDGE_DB:
            return None
        power = np.abs(np.fft.rfft(piece * np.hanning(_SIDE))) ** 2
        return 10 * np.log10(np.add.reduceat(power, _BANDS) + 1e-6)


def onset(voice: Samples) -> float:
    """Seconds until Silero hears speech in a voice alone: the second of two chunks in a row over one half, or its end.

    Phrases begin with breath and soft consonants: nobody who hears the same voice in a room can be sure sooner.
    """
    before = False
    for end, now in _heard(voice):
        if now and before:
            return end
        before = now
    return len(voice) / RATE


def last_word(voice: Samples) -> float:
    """Seconds until which Silero hears speech in a voice alone; its length where it hears none.

    Recordings go on for up to half a second after the last word, with a breath or the room: whoever answers then
    interrupts nobody.
    """
    return max((end for end, speech in _heard(voice) if speech), default=len(voice) / RATE)


def _heard(voice: Samples) -> Iterator[tuple[float, bool]]:
    """The end of each whole chunk in seconds, and whether Silero hears speech in it."""
    hears = VoiceActivity()
    for at in range(0, len(voice) - CHUNK + 1, CHUNK):
        yield (at + CHUNK) / RATE, hears(voice[at : at + CHUNK]) > 0.5


def write(scores: Scores, measures: dict[str, object], path: Path) -> None:
    """scores.json: the measures first, then what they were counted from."""
    path.write_text(json.dumps({"measures": measures, **scores.as_json()}, indent=1) + "\n")
