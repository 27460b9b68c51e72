"""What can be set, and where each value came from: flags > environment > echoless.toml > defaults.

The environment is `ECHOLESS_` and the field's name in capitals. `echoless.toml` is read from the current folder,
then from the user's configuration folder; the nearer one wins. Merging and checking are pydantic-settings'.
"""

from __future__ import annotations

import difflib
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from platformdirs import user_config_path, user_data_path
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

FILE = "echoless.toml"
PREFIX = "ECHOLESS_"
LONGEST_SYSTEM = 65_536
"""Characters of a system prompt: more than any small model's context, less than a mistake like a GGUF."""


class SettingsError(Exception):
    """A setting is unknown or wrong. One line that says which, from where, and what is allowed."""


def config_dir() -> Path:
    """The user's configuration folder."""
    return user_config_path("echoless")


def data_dir() -> Path:
    """The user's data folder: pulled models and voices lie in `models` below it."""
    return user_data_path("echoless")


def voiceprints_dir() -> Path:
    """Where the voiceprints of people who enrolled lie, readable by their owner alone."""
    return data_dir() / "voiceprints"


class Settings(BaseSettings):
    """Everything a conversation can be told. Each field is a flag of `echoless talk` by the same name."""

    model_config = SettingsConfigDict(extra="forbid", env_prefix=PREFIX, frozen=True, protected_namespaces=())

    # mind
    llm_url: str | None = Field(None, description="a running llama-server; without it one is started with --model")
    model: str = Field("pocket", description="a GGUF file, a pulled name, or 'pocket', which ships with echoless")
    system: str | None = Field(None, description="who the agent is: a text, or a file that holds it")
    context: int = Field(2048, ge=256, le=1_048_576, description="tokens of context of the server that we start")
    temperature: float = Field(0.7, ge=0, le=5, description="sampling temperature; 0 always takes the likeliest word")
    top_p: float = Field(0.9, gt=0, le=1, description="sample from the likeliest words of this much probability")
    reply_tokens: int = Field(200, ge=1, le=8192, description="most tokens of one reply")
    seed: int | None = Field(None, ge=0, description="fixes the sampling")
    reply_filter: bool = Field(False, description="say a neutral sentence in place of an indecent one")
    reply_filter_words: Path | None = Field(None, description="words of your own for it, one a line; turns it on")
    # voice
    tts_model: str | None = Field(None, description="a Piper voice: NAME.onnx with NAME.onnx.json, or a pulled name")
    voice_speed: float = Field(1.0, ge=0.5, le=2.0, description="how fast the agent speaks, 0.5 to 2")
    volume: float = Field(0.0, ge=-40, le=12, description="louder or softer, dB")
    # ears
    language: str = Field("en", pattern=r"^([a-z]{2,3}|auto)$", description="what is spoken: en, zh, ..., or auto")
    recogniser: str = Field("auto", description="which engine recognises speech; auto: the best for the language")
    recogniser_model: str | None = Field(None, description="a model of that engine: a pulled name or a folder")
    patience: Literal["quick", "normal", "patient"] = Field(
        "normal", description="how long a pause may be before it is answered: quick, normal, or patient"
    )
    only_enrolled: bool = Field(False, description="only people of 'echoless voiceprint enrol' may speak or interrupt")
    # line
    device: str | None = Field(None, description="sound card: number or part of its name; 'IN,OUT' for two")
    microphone: Path | None = Field(None, description="a WAV file in place of the microphone")
    loudspeaker: Path | None = Field(None, description="a WAV file in place of the loudspeaker")
    pace: Literal["real", "fast"] = Field("real", description="how quickly files are played: real or fast")
    # call
    greet: bool | None = Field(None, description="the agent speaks first; as a rule only on a sound card")
    record: Path | None = Field(None, description="keep a record of the call in this folder: it holds voices")
    keep_days: int = Field(30, ge=0, le=36_500, description="days after which records beside it are deleted; 0: never")
    threads: int | None = Field(None, ge=1, le=256, description="most threads of the mind; as a rule all cores but one")

    @field_validator("llm_url")
    @classmethod
    def _http(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("an address like http://localhost:8080 is wanted")
        return parts.geturl().rstrip("/")

    @model_validator(mode="after")
    def _both_ends(self) -> Settings:
        if self.loudspeaker is not None and self.microphone is None:
            raise ValueError("loudspeaker is a file, so microphone must be one too (--microphone in.wav)")
        if self.microphone is not None and self.device is not None:
            raise ValueError("microphone is a file and device a sound card: give one of them")
        if self.microphone is not None and self.loudspeaker is not None:
            mine, theirs = self.microphone.absolute(), self.loudspeaker.absolute()
            if mine == theirs:
                raise ValueError("microphone and loudspeaker are the same file")
        return self

    @property
    def devices(self) -> tuple[str | None, str | None]:
        """Microphone and loudspeaker of the sound card as `device` names them; None is the system's own choice."""
        if self.device is None:
            return None, None
        first, comma, second = (part.strip() for part in self.device.partition(","))
        return (first or None, second or None) if comma else (first, first)

    @property
    def system_text(self) -> str | None:
        """The system prompt: what the file holds where `system` names one, else its own text. Raises SettingsError."""
        return None if self.system is None else _text_or_file(self.system)


def recorded_apart(settings: Settings, name: str) -> Settings:
    """The same; where calls are recorded, this one in a folder of its own below: many conversations share settings."""
    if settings.record is None:
        return settings
    return settings.model_copy(update={"record": settings.record / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"})


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and for each field where its value came from: `flag`, `environment`, a file, or `default`."""

    settings: Settings
    origins: Mapping[str, str]

    def rows(self) -> list[dict[str, Any]]:
        """One row a field: name, value as JSON, origin, and what it is for."""
        values = self.settings.model_dump(mode="json")
        return [
            {"name": name, "value": values[name], "from": self.origins[name], "what": field.description}
            for name, field in Settings.model_fields.items()
        ]


def load(flags: Mapping[str, Any] | None = None, *, cwd: Path | None = None, config: Path | None = None) -> Loaded:
    """Everything in force. `flags` that are None were not given. Raises SettingsError."""
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    layers: list[tuple[str, dict[str, Any]]] = [("flag", given), ("environment", _environment())]
    for folder in (cwd or Path.cwd(), config or config_dir()):
        path = folder / FILE
        layers.append((str(path), _file(path)))
    merged: dict[str, Any] = {}
    origins = dict.fromkeys(Settings.model_fields, "default")
    for origin, values in reversed(layers):
        _refuse_unknown(values, origin)
        merged.update(values)
        origins.update(dict.fromkeys(values, origin))
    try:
        return Loaded(_Checked(**merged), origins)
    except ValidationError as error:
        raise SettingsError(_one_line(error, origins)) from None


class _Checked(Settings):
    """Settings built from what was merged already: reads no source of its own."""

    @classmethod
    def settings_customise_sources(cls, settings_cls: Any, init_settings: Any, **_: Any) -> tuple[Any, ...]:  # type: ignore[override]
        return (init_settings,)


def _environment() -> dict[str, Any]:
    values = EnvSettingsSource(Settings)()
    return {name: value for name, value in values.items() if value != ""}


def _file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML: {error}") from None
    return {name: _beside(path, name, value) for name, value in values.items()}


_PATHS = ("microphone", "loudspeaker", "record")
_MAYBE_PATHS = ("model", "tts_model", "system", "recogniser_model")


def _beside(path: Path, name: str, value: Any) -> Any:
    """A file named in a file is looked for beside that file, not in whatever folder one happens to stand in."""
    if not isinstance(value, str) or not (name in _PATHS or name in _MAYBE_PATHS):
        return value
    try:
        there = path.parent / Path(value).expanduser()
        return str(there) if name in _PATHS or there.exists() else value
    except (OSError, RuntimeError):  # too long for a name: a text
        return value


def _refuse_unknown(values: Mapping[str, Any], origin: str) -> None:
    for name in values:
        if name not in Settings.model_fields:
            close = difflib.get_close_matches(name, Settings.model_fields, 1)
            hint = f"; did you mean {close[0]!r}?" if close else "; 'echoless config' lists the known ones"
            raise SettingsError(f"{origin}: unknown setting {name!r}{hint}")


def _one_line(error: ValidationError, origins: Mapping[str, str]) -> str:
    first = error.errors(include_url=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return message
    name = str(first["loc"][0])
    return f"{name} = {first['input']!r} ({origins.get(name, 'default')}): {message[:1].lower()}{message[1:]}"


def _text_or_file(value: str) -> str:
    try:
        path = Path(value).expanduser()
        is_file = path.is_file()
    except (OSError, ValueError, RuntimeError):
        is_file = False
    if not is_file:
        if "\n" not in value and " " not in value.strip() and value.endswith((".txt", ".md")):
            raise SettingsError(f"system: there is no file {value}")
        return _bounded(value, "system")
    try:
        with path.open(encoding="utf-8") as file:
            return _bounded(file.read(LONGEST_SYSTEM + 1), f"system: {path}").strip()
    except UnicodeDecodeError:
        raise SettingsError(f"system: {path} is not a text file (UTF-8)") from None
    except OSError as error:
        raise SettingsError(f"system: {path} cannot be read: {error.strerror}") from None


def _bounded(text: str, where: str) -> str:
    if len(text) > LONGEST_SYSTEM:
        raise SettingsError(f"{where} is longer than {LONGEST_SYSTEM} characters")
    return text
