"""The negative control: a voice agent without any thought of echo. Loudness starts and ends the user's turns and stops
the agent; everything heard is recognised and answered. It must fail wherever its echo is louder than -45 dBFS, that is
from about -15 dB on."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import threading
import urllib.request

import numpy as np
import sounddevice
import soxr
from speech_parts import RATE, Moonshine, say

BLOCK = 320
LOUD = 10 ** (-45 / 20)
BEGIN, END, BEFORE = 4, 30, 20
"""Loud blocks that begin a turn, quiet blocks that end it, blocks kept from before it began."""


class Mouth:
    """Plays what it is given; `hush` drops the rest, and whatever an older reply still brings."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = np.zeros(0, np.int16)
        self.reply = 0

    def hush(self) -> int:
        with self._lock:
            self.reply += 1
            self._waiting = self._waiting[:0]
            return self.reply

    def add(self, sound: np.ndarray, reply: int) -> None:
        with self._lock:
            if reply == self.reply:
                self._waiting = np.concatenate([self._waiting, sound])

    def __call__(self, out: np.ndarray, frames: int, *_: object) -> None:
        with self._lock:
            now, self._waiting = self._waiting[:frames], self._waiting[frames:]
        out[:, 0] = 0
        out[: len(now), 0] = now


def answer(words: str, mouth: Mouth, reply: int) -> None:
    """Ask the model and speak its sentences as they come."""
    body = json.dumps({"prompt": words, "stream": True}).encode()
    request = urllib.request.Request(f"{os.environ['CANNED_URL']}/completion", body)
    sentence = ""
    with urllib.request.urlopen(request, timeout=20) as stream:
        for line in stream:
            if mouth.reply != reply:
                return
            if not line.startswith(b"data: "):
                continue
            piece = json.loads(line[6:])
            sentence += piece["content"]
            if sentence.strip() and (piece["stop"] or sentence.endswith((".", "!", "?"))):
                sound, rate = say(sentence)
                mouth.add(soxr.resample(np.frombuffer(sound, np.int16), rate, RATE), reply)
                sentence = ""
            if piece["stop"]:
                return


def main() -> None:
    """Hold a conversation until interrupted."""
    ears, mouth = Moonshine(), Mouth()
    heard: queue.Queue[np.ndarray] = queue.Queue()
    kind = {"samplerate": RATE, "blocksize": BLOCK, "channels": 1, "dtype": "int16"}
    microphone = sounddevice.InputStream(callback=lambda block, *_: heard.put(block[:, 0].copy()), **kind)
    turn: list[np.ndarray] = []
    speaking, loud, quiet = False, 0, 0
    with microphone, sounddevice.OutputStream(callback=mouth, **kind):
        print("READY", flush=True)
        while True:
            block = heard.get()
            turn.append(block)
            if np.sqrt(np.mean(np.square(block / 32768.0))) > LOUD:
                loud, quiet = loud + 1, 0
            else:
                loud, quiet = 0, quiet + 1
            if not speaking:
                turn = turn[-BEFORE:]
                if loud >= BEGIN:
                    speaking = True
                    mouth.hush()
            elif quiet >= END:
                speaking = False
                words = ears.words(np.concatenate(turn).tobytes(), RATE)
                print(f"heard {words!r}", flush=True)
                if words:
                    threading.Thread(target=answer, args=(words, mouth, mouth.hush()), daemon=True).start()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
