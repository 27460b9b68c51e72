"""espeak-ng in this process: word marks, settings, and one library for everybody."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import numpy as np
import pytest

from echoless.voice.espeak import Espeak


def marks(voice: Espeak, text: str) -> list[tuple[str, float]]:
    at, found = 0, []
    for chunk in voice.speak(text):
        found += [(text[character:], (at + sample) / chunk.rate) for character, sample in chunk.marks]
        at += len(chunk.samples)
    return found


def length(voice: Espeak, text: str = "How long does this take to say?") -> int:
    return sum(len(chunk.samples) for chunk in voice.speak(text))


def test_every_word_has_a_mark_where_it_begins():
    found = marks(Espeak(), "Naïve cats, and “nine” dogs.")
    assert [rest.split()[0] for rest, _ in found] == ["Naïve", "cats,", "and", "nine”", "dogs."]
    assert all(earlier[1] < later[1] for earlier, later in pairwise(found))


def test_mandarin_has_a_mark_at_every_character():
    found = marks(Espeak("zh"), "今天我们去公园。")
    assert {rest[0] for rest, _ in found} >= set("今天我去公园")
    assert Espeak("zh").traits.language == "zh"


def test_speed_and_pitch_are_heard():
    assert length(Espeak(speed=1.5)) < 0.8 * length(Espeak())
    low, high = (np.concatenate([c.samples for c in Espeak(pitch=p).speak("Hello")]) for p in (10, 90))
    assert low.shape != high.shape or not np.allclose(low, high)


def test_marks_go_on_counting_in_a_text_longer_than_a_piece():
    text = "one two three four. " * 150
    at = [len(text) - len(rest) for rest, _ in marks(Espeak(), text)]
    assert at[-1] > 2900 and at == sorted(at)


def test_voices_in_many_threads_do_not_mix():
    alone = {name: length(Espeak(name)) for name in ("en-us", "de", "zh")}
    together: dict[str, list[int]] = {name: [] for name in alone}

    def speak(name: str) -> None:
        voice = Espeak(name)
        together[name] += [length(voice) for _ in range(5)]

    threads = [threading.Thread(target=speak, args=(name,)) for name in alone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == {name: [samples] * 5 for name, samples in alone.items()}


def test_the_same_text_sounds_the_same_to_the_sample_whatever_came_between():
    def sound() -> np.ndarray:
        return np.concatenate([chunk.samples for chunk in Espeak().speak("How are you today?")])

    first = sound()
    stream = Espeak("de").speak("Etwas ganz anderes. " * 50)
    next(stream)
    stream.close()
    np.testing.assert_array_equal(sound(), first)


def test_a_breathy_voice_sounds_the_same_a_second_later():
    def sound():
        return np.concatenate([chunk.samples for chunk in Espeak("en-us+f3").speak("Hush now.")])

    first = sound()
    time.sleep(1.1)  # the library seeds its noise by the clock, in seconds
    assert np.array_equal(first, sound())


def test_two_sentences_can_be_open_at_once():
    one, two = Espeak().speak("This is the first sentence."), Espeak("de").speak("Und das ist die zweite.")
    assert next(one).samples.size and next(two).samples.size
    assert list(one) and list(two)


def test_closing_the_voice_ends_what_it_says():
    voice = Espeak()
    stream = voice.speak("hello world " * 160)
    next(stream)
    voice.close()
    assert sum(len(chunk.samples) for chunk in stream) < 60 * voice.traits.rate


@pytest.mark.parametrize("name", ["en", "en-gb", "EN-US", "cmn", "zh", "fr", "en-gb+f3"])
def test_usual_names_are_known(name):
    assert length(Espeak(name), "one two") > 1000
