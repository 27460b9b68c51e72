"""What a rehearsal is told: the room, who talks when, and what goes wrong. Strict, every key with a default."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

MAX_SECONDS = 4 * 3600.0
"""Longest rehearsal: its WAVs are kept in memory."""

Ppm = Annotated[FiniteFloat, Field(ge=-1000, le=1000)]
Second = Annotated[FiniteFloat, Field(ge=0, le=MAX_SECONDS)]
Decibel = Annotated[FiniteFloat, Field(ge=-120, le=60)]
Metre = Annotated[FiniteFloat, Field(ge=0.05, le=20)]
Kind = Literal["turn", "interrupt", "short", "backchannel", "noise", "quote"]


class ScriptError(ValueError):
    """A script cannot be used. One line that names the key and says what is wrong with it."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RoomSettings(_Strict):
    """The room, its devices and their troubles. Seconds, metres, dB; see docs/rooms.md for each key."""

    rt60: Annotated[FiniteFloat, Field(ge=0, le=2)] = 0.4
    size: tuple[Metre, Metre, Metre] = (5.0, 4.0, 2.7)
    echo_db: Decibel = 0.0
    """Level of the echo of speech played at -20 dBFS, relative to a user at -26 dBFS."""
    delay_ms: Annotated[FiniteFloat, Field(ge=0, le=2000)] = 80.0
    drift_ppm: Ppm = 0.0
    """How much faster the loudspeaker's clock runs than the microphone's."""
    nonlinear: Annotated[FiniteFloat, Field(ge=0, le=1)] = 0.2
    noise_db: Decibel = -60.0
    noise_wav: str | None = None
    delay_jumps: tuple[tuple[Second, Annotated[FiniteFloat, Field(ge=-2000, le=2000)]], ...] = ()

    noise: Literal["pink", "white"] = "pink"
    echo_rir: str | None = None
    """A measured impulse response (WAV) in place of the simulated loudspeaker path."""
    speaker_distance: Metre = 0.5
    user_distance: Metre = 0.8
    volume_changes: tuple[tuple[Second, Decibel], ...] = ()
    """[second, dB relative to the start]: the loudspeaker's volume from then on."""
    path_changes: tuple[tuple[Second, Metre], ...] = ()
    """[second, metres]: the loudspeaker is moved that far, in 0.2 s."""
    restless: Annotated[FiniteFloat, Field(ge=0, le=1)] = 0.0
    """Metres by which the loudspeaker path wanders, all the time, to a new place each second."""
    reference_late: tuple[tuple[Second, Annotated[FiniteFloat, Field(ge=0, le=1000)]], ...] = ()
    """[second, ms]: from then on the ears get the reference so much too late."""
    reference_gaps: tuple[tuple[Second, Annotated[FiniteFloat, Field(ge=0, le=10_000)]], ...] = ()
    """[second, ms]: the reference is silent for so long though the loudspeaker plays."""
    reference_loss: Annotated[FiniteFloat, Field(ge=0, le=1)] = 0.0
    """Share of the reference's blocks that get lost."""
    network_ms: Annotated[FiniteFloat, Field(ge=0, le=1000)] | None = None
    """There and back over a packet network; None: the room is here. The reference is what was sent."""
    network_jitter_ms: Annotated[FiniteFloat, Field(ge=0, le=200)] = 10.0
    network_loss: Annotated[FiniteFloat, Field(ge=0, le=0.5)] = 0.0
    cancels_echo: bool = False
    """The far end runs WebRTC's AEC3 over its microphone, as a browser does, and the line says so."""


class Talker(_Strict):
    """One thing that is said (or heard) once: at a second, or some time after the agent begins to be heard."""

    wav: str = ""
    at: Second | None = None
    after: Literal["agent.started", "agent.stopped"] | None = None
    nth: Annotated[int, Field(ge=1, le=100_000)] = 1
    plus: Second = 0.0
    gain_db: Decibel = 0.0
    who: Literal["user", "stranger", "media"] = "user"

    kind: Kind | None = None
    """What the talker is there to show; left out, it is judged by when it is heard: a turn or an interruption."""
    begin: Second = 0.0
    end: Second | None = None
    """The part of the WAV, in seconds, that is used."""
    loop: Second | None = None
    """Go on for so many seconds by repeating the WAV (music, a television)."""
    move: Annotated[FiniteFloat, Field(ge=0, le=10)] = 0.0
    """Metres that the talker walks while talking."""
    text: str | None = None
    """The words, where they are known: for the word error rate."""
    language: Annotated[str, Field(pattern="^[a-z]{2,3}$")] | None = None

    @model_validator(mode="after")
    def _one_cue(self) -> Talker:
        if self.at is not None and self.after is not None:
            raise ValueError("give either at or after, not both")
        if self.end is not None and self.end <= self.begin:
            raise ValueError("end must be later than begin")
        return self

    @property
    def second(self) -> float:
        """When it is said, for a talker with no `after`."""
        return self.at if self.at is not None else 0.0


class Script(_Strict):
    """A whole rehearsal. `folder` is where relative WAV paths begin; it is not a key."""

    seconds: Annotated[FiniteFloat, Field(gt=0, le=MAX_SECONDS)] = 40.0
    rate: Literal[8000, 16000, 22000, 24000, 32000, 44000, 48000] = 16000
    """Samples a second of the loudspeaker side. All WAVs of the record are at 16 kHz."""
    room: RoomSettings = RoomSettings()
    talkers: tuple[Talker, ...] = ()
    replies: tuple[str, ...] = ()
    """What the scripted mind answers, in order and round again; empty: from its bank."""
    reply_seconds: Annotated[FiniteFloat, Field(gt=0, le=120)] | None = None
    """The shortest whole reply, where it is known: an agent that ends sooner by itself has cut itself off."""
    language: Annotated[str, Field(pattern="^([a-z]{2,3}|auto)$")] = "en"
    """What is spoken in this call, as `echoless talk --language`."""
    voice: str | None = None
    """The agent's voice, e.g. `espeak:en-us+m3`; left out, it is drawn from the seed."""
    tags: dict[str, str | float] = {}
    """What a suite groups the results by."""

    _folder: Path = Path()

    @property
    def folder(self) -> Path:
        return self._folder

    def path(self, name: str) -> Path:
        """Where a WAV named in the script lies."""
        return self._folder / name

    def check_files(self) -> None:
        """Raises ScriptError for a WAV that is not there."""
        named = [(f"talkers.{i}.wav", t.wav) for i, t in enumerate(self.talkers)]
        named += [(f"room.{k}", v) for k in ("noise_wav", "echo_rir") if (v := getattr(self.room, k)) is not None]
        for key, name in named:
            if not name:
                raise ScriptError(f"{key}: no WAV is named")
            if not self.path(name).is_file():
                raise ScriptError(f"{key}: no such file: {self.path(name)}")


def parse(text: str, folder: Path) -> Script:
    """A script from JSON. Raises ScriptError."""
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as wrong:
        raise ScriptError(f"not JSON: {wrong}") from None
    try:
        script = Script.model_validate(data)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        where = ".".join(str(p) for p in first["loc"]) or "script"
        what = "no such key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        raise ScriptError(f"{where}: {what}") from None
    script._folder = folder
    return script


def load(path: Path) -> Script:
    """A script from a file, its WAVs checked for. Raises ScriptError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        raise ScriptError(f"cannot read {path}: {wrong}") from None
    try:
        script = parse(text, path.resolve().parent)
        script.check_files()
    except ScriptError as wrong:
        raise ScriptError(f"{path}: {wrong}") from None
    return script
