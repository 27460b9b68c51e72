"""Piper voices: a VITS network as ONNX beside its configuration, `NAME.onnx` and `NAME.onnx.json`.

piper-tts is GPL-3.0: it is installed beside this program, and asked only for phonemes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from echoless.frames import Chunk, Samples
from echoless.voice import pinyin
from echoless.voice.alignment import NotOnnx, with_durations
from echoless.voice.door import VoiceError, VoiceTraits
from echoless.voice.speakable import encodable, units

_LONGEST = 240  # characters synthesised at a time; longer texts are cut, best after a pause
_CUT = re.compile(r"(?<=[,;:.!?，；：。！？])\s*|\s+")
_SILENT = frozenset(" .,;:!?—…\"'()-。！？，、；：_^$ˈˌː")
_LEVEL = 0.1  # -20 dBFS of active speech, as every voice here
_LONGEST_SOUND = 120.0  # seconds that one piece may become
_GREETINGS = {"zh": "你好，很高兴认识你。"}
_LANGUAGES = {"cmn": "zh", "yue": "zh"}


class Piper:
    """The voice in `path`. `speed` 1 as it was trained; `speaker` picks one of a voice that has many.

    One thread; a chunk a sentence, with a mark a word from the network's own durations. Loading speaks once, so
    that the first sentence is not slower than the others. Raises VoiceError.
    """

    def __init__(self, path: str | Path, speed: float = 1.0, speaker: int | None = None) -> None:
        self._path = Path(path).expanduser()
        settings = _configuration(self._path)
        self._session = _session(self._path)
        self._voice = _phonemizer(self._path, settings, self._session)
        self._config = self._voice.config
        self._speaker = self._config.default_speaker_id if speaker is None else speaker
        if self._config.num_speakers > 1 and not 0 <= self._speaker < self._config.num_speakers:
            raise VoiceError(
                f"{self._path.name} has speakers 0 to {self._config.num_speakers - 1}, not {self._speaker}"
            )
        self._language = _language(settings, self._config.espeak_voice)
        scales = (self._config.noise_scale, self._config.length_scale / max(0.1, speed), self._config.noise_w_scale)
        self._scales = np.array(scales, np.float32)
        self._run = onnxruntime.RunOptions()
        self._run.log_severity_level = 4  # what fails is raised; and what is aborted is no failure
        self._gain = np.float32(1.0)
        self._warm_up()

    @property
    def traits(self) -> VoiceTraits:
        name, licence = f"piper:{self._path.stem}", "the voice's own; piper-tts GPL-3.0-or-later"
        return VoiceTraits(name, self._config.sample_rate, self._language, licence)

    def speak(self, text: str) -> Iterator[Chunk]:
        self._run.terminate = False
        text = encodable(text)
        for begin, end in pieces(text):
            yield from self._piece(text[begin:end], begin)

    def abort(self) -> None:
        """Stop the network where it is, from any thread; the iterator just ends."""
        self._run.terminate = True

    def close(self) -> None:
        self.abort()

    def _piece(self, text: str, offset: int) -> Iterator[Chunk]:
        sentences = [sentence for sentence in self._phonemes(text) if any(p not in _SILENT for p in sentence)]
        total = sum(_sounding(sentence) for sentence in sentences)
        starts = self._starts(text, total)
        said = 0
        for sentence in sentences:
            made = self._synthesise(sentence)
            if made is None:
                return
            samples, onsets = made
            here = [(offset + c, onsets[at - said]) for c, at in starts if said <= at < said + len(onsets)]
            said += len(onsets)
            yield Chunk(samples * self._gain, self._config.sample_rate, tuple(here))

    def _phonemes(self, text: str) -> list[list[str]]:
        try:
            if self._config.phoneme_type.value == "pinyin":
                return [pinyin.phonemes(text)]
            return self._voice.phonemize(text.replace("[[", "[ ["))
        except Exception as error:
            raise VoiceError(f"{self._path.name} cannot read {text[:40]!r}: {_brief(error)}") from None

    def _ids(self, phonemes: list[str]) -> list[int]:
        if self._config.phoneme_type.value == "pinyin":
            return pinyin.ids(phonemes, self._config.phoneme_id_map)
        return self._voice.phonemes_to_ids(phonemes)

    def _starts(self, text: str, total: int) -> list[tuple[int, int]]:
        """(character, sounding phoneme) at which each unit begins: by what each would be alone, fitted to the whole."""
        spans = units(text)
        alone = [sum(map(_sounding, self._phonemes(text[b:e]))) for b, e in spans]
        before = np.concatenate([[0], np.cumsum(alone)])
        scale = total / max(1, int(before[-1]))
        return [(b, round(float(at) * scale)) for (b, _), at, own in zip(spans, before, alone, strict=False) if own]

    def _synthesise(self, phonemes: list[str]) -> tuple[Samples, list[int]] | None:
        """Sound, and the sample at which each sounding phoneme begins. None where the work was aborted."""
        ids = self._ids(phonemes)
        feed: dict[str, Any] = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": self._scales,
        }
        if self._config.num_speakers > 1:
            feed["sid"] = np.array([self._speaker], np.int64)
        try:
            sound, *more = self._session.run(None, feed, self._run)
        except Exception as error:
            if self._run.terminate:
                return None
            raise VoiceError(f"{self._path.name} failed: {_brief(error)}") from None
        samples = np.nan_to_num(np.asarray(sound, np.float32).reshape(-1), posinf=0.0, neginf=0.0)
        if len(samples) > _LONGEST_SOUND * self._config.sample_rate:
            raise VoiceError(f"{self._path.name} made more than {_LONGEST_SOUND:.0f} s of one sentence; is it trained?")
        lengths = np.asarray(more[0]).reshape(-1) * self._config.hop_length if more else np.ones(len(ids))
        if len(lengths) != len(ids) or not more:
            lengths = np.full(len(ids), len(samples) / len(ids))
        return samples, self._onsets(phonemes, ids, np.minimum(np.cumsum(lengths) - lengths, len(samples)))

    def _onsets(self, phonemes: list[str], ids: list[int], begins: np.ndarray) -> list[int]:
        """Where each sounding phoneme begins: phonemes and ids run side by side, with padding between the ids."""
        onsets, at = [], 0
        for phoneme in phonemes:
            own = list(self._config.phoneme_id_map.get(phoneme, ()))
            found = ids.index(own[0], at) if own and own[0] in ids[at:] else -1
            if phoneme not in _SILENT:
                onsets.append(int(begins[found if found >= 0 else min(at, len(ids) - 1)]))
            at = found + len(own) if found >= 0 else at
        return onsets

    def _warm_up(self) -> None:
        greeting = _GREETINGS.get(self._language, "Hello there, how are you today?")
        sound = np.concatenate([np.zeros(1, np.float32), *(chunk.samples for chunk in self.speak(greeting))])
        active = sound[np.abs(sound) > 0.05 * np.abs(sound).max()]
        level = float(np.sqrt(np.mean(active**2))) if len(active) else 0.0
        if level > 1e-4:
            self._gain = np.float32(_LEVEL / level)


def pieces(text: str) -> Iterator[tuple[int, int]]:
    """Begin and end of parts of at most 240 characters, cut after a pause or a word where there is one."""
    begin = 0
    while len(text) - begin > _LONGEST:
        window = text[begin : begin + _LONGEST]
        cuts = [match.end() for match in _CUT.finditer(window) if match.end() > _LONGEST // 3]
        pauses = [cut for cut in cuts if window[:cut].rstrip()[-1:] in ",;:.!?，；：。！？"]
        end = begin + (pauses or cuts or [_LONGEST])[-1]
        yield begin, end
        begin = end
    if text[begin:].strip():
        yield begin, len(text)


def _sounding(phonemes: list[str]) -> int:
    return sum(phoneme not in _SILENT for phoneme in phonemes)


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:160]


def _language(settings: dict[str, Any], espeak_voice: str) -> str:
    about = settings.get("language")
    code = about.get("code") if isinstance(about, dict) else None
    language = re.split("[-_]", str(code or espeak_voice))[0].lower()
    return _LANGUAGES.get(language, language)


def _configuration(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise VoiceError(
            f"no Piper voice at {path}; give the path of a NAME.onnx, or: echoless pull en_US-hfc_female-medium"
        )
    beside = path.with_name(path.name + ".json")
    try:
        settings = json.loads(beside.read_text("utf-8"))
        if not isinstance(settings, dict):
            raise ValueError("it holds no object")
        return settings
    except FileNotFoundError:
        raise VoiceError(f"{path.name} needs its {beside.name} beside it; fetch both files of the voice") from None
    except (OSError, ValueError, RecursionError) as error:
        raise VoiceError(f"{beside} cannot be read: {_brief(error)}; fetch it again") from None


def _session(path: Path) -> onnxruntime.InferenceSession:
    """The network on one thread, with the durations as an output where that can be had."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        model = path.read_bytes()
        for candidate in (with_durations(model), model):
            try:
                if candidate is not None:
                    session = onnxruntime.InferenceSession(candidate, options, providers=["CPUExecutionProvider"])
                    break
            except Exception:
                if candidate is model:
                    raise
    except NotOnnx as error:
        raise VoiceError(f"{path} is no ONNX model ({error}); fetch it again") from None
    except Exception as error:
        raise VoiceError(f"{path} cannot be loaded: {_brief(error)}; fetch it again") from None
    lacking = {"input", "input_lengths", "scales"} - {each.name for each in session.get_inputs()}
    if lacking:
        raise VoiceError(f"{path} is no Piper voice: it has no input {', '.join(sorted(lacking))}")
    return session


def _phonemizer(path: Path, settings: dict[str, Any], session: onnxruntime.InferenceSession) -> Any:
    try:
        from piper import PiperVoice
        from piper.config import PiperConfig
    except ImportError as error:
        raise VoiceError(
            f"piper-tts is not installed ({error}); pip install piper-tts, or use the voice espeak"
        ) from None
    try:
        config = PiperConfig.from_dict(settings)
        _check(config)
        return PiperVoice(session=session, config=config)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        what = f"it has no {error}" if isinstance(error, KeyError) else _brief(error)
        raise VoiceError(f"{path.name}.json is no configuration of a Piper voice: {what}; fetch it again") from None


def _check(config: Any) -> None:
    """Raises one of many errors where an entry is missing or of the wrong kind."""
    if not all(isinstance(config.phoneme_id_map[symbol][0], int) for symbol in "^$_"):
        raise ValueError("its phoneme_id_map has no numbers for ^, $ and _")
    scales = (config.noise_scale, config.length_scale, config.noise_w_scale)
    if not all(isinstance(number, int | float) for number in (*scales, config.num_speakers, config.hop_length)):
        raise ValueError("a number in it is no number")
    if not isinstance(config.espeak_voice, str):
        raise ValueError("its espeak voice is no name")
    if not 4000 <= config.sample_rate <= 192_000:
        raise ValueError(f"its sample rate is {config.sample_rate}")
