"""Voice that is always at hand: espeak-ng inside this process, from the `espeakng-loader` wheel.

espeak-ng is GPL-3.0: it is installed beside this program and loaded when asked for. Its library holds one global
state, so one lock stands before it, whoever speaks. The interface is espeak-ng's `speak_lib.h`.
"""

from __future__ import annotations

import _ctypes
import ctypes
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from echoless.frames import Chunk
from echoless.voice.door import VoiceError, VoiceTraits
from echoless.voice.speakable import encodable

_SYNCHRONOUS, _DONT_EXIT = 2, 0x8000
_UTF8 = 1
_WORD, _LIST_END = 1, 0
_RATE, _PITCH, _RANGE = 1, 3, 4
_BUFFER_MS = 60
_WORDS_A_MINUTE = 165
_LONGEST = 2000  # characters synthesised at a time
_LOCK = threading.Lock()
_GAINS = {"zh": 0.67}  # to about -20 dBFS of active speech, as every voice here
_LANGUAGES = {"zh": "cmn", "en": "en-us"}


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class _Library:
    """libespeak-ng, freshly loaded and ready. Not more than one at a time: `_loaded` sees to it."""

    def __init__(self, hear: Callable[[Any, int, Any], int]) -> None:
        try:
            import espeakng_loader

            self._data = Path(espeakng_loader.get_data_path())
            self.c = ctypes.CDLL(espeakng_loader.get_library_path())
        except (ImportError, OSError, RuntimeError) as error:
            raise VoiceError(
                f"espeak-ng cannot be loaded ({error}); reinstall it: pip install espeakng-loader"
            ) from None
        self.rate = self.c.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, str(self._data).encode(), _DONT_EXIT)
        if self.rate <= 0:
            raise VoiceError(f"espeak-ng finds no data in {self._data}; reinstall it: pip install espeakng-loader")
        if seed := getattr(self.c, "espeak_ng_SetRandSeed", None):  # else the noise of breathy voices is of the clock
            seed(ctypes.c_long(1))
        self._hear = hear
        self._callback = _Callback(self._on_sound)
        self.c.espeak_SetSynthCallback(self._callback)

    def _on_sound(self, wav: Any, count: int, events: Any) -> int:
        try:
            return self._hear(wav, count, events)
        except Exception:  # nothing may be raised through C
            return 1

    def choose(self, voice: str) -> bool:
        """Make `voice` the one that speaks; False if there is no such voice."""
        language, plus, variant = voice.partition("+")
        file = _languages(self._data).get(language.lower())
        if file is None or (plus and variant not in {path.name for path in (self._data / "voices" / "!v").iterdir()}):
            return False
        return self.c.espeak_SetVoiceByName((file + plus + variant).encode()) == 0

    def say(self, text: str) -> int:
        """Synthesise; `hear` is called with the sound, and stops the work by returning 1. 0 where all went well."""
        encoded = text.encode("utf-8")
        size = ctypes.c_size_t(len(encoded) + 1)
        return self.c.espeak_Synth(ctypes.c_char_p(encoded), size, 0, 0, 0, _UTF8, None, None)

    def unload(self) -> None:
        self.c.espeak_Terminate()
        if hasattr(_ctypes, "dlclose"):
            _ctypes.dlclose(self.c._handle)


@contextmanager
def _loaded(hear: Callable[[Any, int, Any], int] = lambda wav, count, events: 1) -> Iterator[_Library]:
    """The library for one piece of work; loading takes 0.3 ms.

    Freshly loaded each time because its global state is never reset: the pitch flutter goes on from text to text,
    and the same text would sound different every time. So it does not, to the sample, even after an abort.
    """
    with _LOCK:
        library = _Library(hear)
        try:
            yield library
        finally:
            library.unload()


@cache
def _languages(data: Path) -> dict[str, str]:
    """The file that speaks each language code: en-gb is in a file `en`, which lookup by name does not know."""
    found: dict[str, str] = {}
    for file in sorted((data / "lang").rglob("*")):
        lines = file.read_text("utf-8", "replace").splitlines() if file.is_file() else []
        for code in [line.split()[1] for line in lines if line.startswith("language ")][:1]:
            if (data / f"{code.partition('-')[0]}_dict").is_file():
                found |= {code.lower(): file.name, file.name.lower(): file.name}
    return found


class Espeak:
    """A voice of espeak-ng. `voice` is a language with an optional variant: en-us, en-gb+f3, cmn.

    `speed` 1 is 165 words a minute; `pitch` and `pitch_range` 0..100. Sound comes in chunks of 60 ms, a mark a word.
    Raises VoiceError where the library or the voice is missing.
    """

    def __init__(self, voice: str = "en-us", speed: float = 1.0, pitch: int = 50, pitch_range: int = 60) -> None:
        language, plus, variant = voice.partition("+")
        self._voice = _LANGUAGES.get(language, language) + plus + variant
        self._speed = round(min(450, max(80, _WORDS_A_MINUTE * speed)))
        self._pitch, self._range = min(99, max(0, pitch)), min(99, max(0, pitch_range))
        with _loaded() as library:
            if not library.choose(self._voice):
                raise VoiceError(f"espeak-ng has no voice {voice!r}; names are like en-us, en-gb+f3, cmn, de")
            self._rate = library.rate
        self._working: list[_Work] = []

    @property
    def traits(self) -> VoiceTraits:
        language = self._voice.partition("+")[0].partition("-")[0]
        return VoiceTraits(
            f"espeak:{self._voice}", self._rate, {"cmn": "zh"}.get(language, language), "GPL-3.0-or-later"
        )

    def speak(self, text: str) -> Iterator[Chunk]:
        """Chunks as they are made. A word's mark is at the sample where espeak-ng begins it."""
        for begin in range(0, len(text), _LONGEST):
            work = _Work(self, text[begin : begin + _LONGEST], begin)
            self._working.append(work)
            try:
                yield from work.chunks()
            finally:
                work.stop()
                self._working.remove(work)

    def prepare(self, library: _Library) -> None:
        """Put this voice's settings into the library's global state."""
        library.choose(self._voice)
        for parameter, value in ((_RATE, self._speed), (_PITCH, self._pitch), (_RANGE, self._range)):
            library.c.espeak_SetParameter(parameter, value, 0)

    def close(self) -> None:
        for work in list(self._working):
            work.stop()


class _Work:
    """One text being synthesised in a thread of its own, because espeak-ng pushes and we pull."""

    def __init__(self, voice: Espeak, text: str, offset: int) -> None:
        self._voice, self._text, self._offset = voice, encodable(text), offset
        self._made: queue.SimpleQueue[Chunk | VoiceError | None] = queue.SimpleQueue()
        self._stopped = False
        self._done = 0
        self._rate = voice.traits.rate
        self._gain = np.float32(_GAINS.get(voice.traits.language, 0.9) / 32_768)
        self._thread = threading.Thread(target=self._work, name="echoless-espeak", daemon=True)
        self._thread.start()

    def chunks(self) -> Iterator[Chunk]:
        while (made := self._made.get()) is not None:
            if isinstance(made, VoiceError):
                raise made
            yield made

    def stop(self) -> None:
        self._stopped = True
        self._thread.join()

    def _work(self) -> None:
        try:
            with _loaded(self._hear) as library:
                self._voice.prepare(library)
                status = library.say(self._text)
                if status and not self._stopped:
                    self._made.put(VoiceError(f"espeak-ng failed with code {status} on {self._text[:40]!r}"))
        except VoiceError as error:
            self._made.put(error)
        finally:
            self._made.put(None)

    def _hear(self, wav: Any, count: int, events: Any) -> int:
        if self._stopped:
            return 1
        if wav and count > 0:
            samples = np.ctypeslib.as_array(wav, (count,)).astype(np.float32) * self._gain
            self._made.put(Chunk(samples, self._rate, tuple(self._marks(events))))
            self._done += count
        return 0

    def _marks(self, events: Any) -> Iterator[tuple[int, int]]:
        for index in range(10_000):
            event = events[index]
            if event.type == _LIST_END:
                return
            if event.type == _WORD:
                yield self._offset + max(0, event.text_position - 1), max(0, event.sample - self._done)
