"""Playback to the sample: nothing lost, nothing twice, no clicks, and the truth about what was heard."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echoless.frames import Chunk
from echoless.voice.playback import (
    Heard,
    Playback,
    ReplyEnded,
    SentenceBegan,
    SentenceEnded,
    State,
    limit,
    pause_after,
)
from echoless.voice.speakable import Speakable, join

RATE, BLOCK = 16_000, 256
FADE = 128


def rising(count: int) -> np.ndarray:
    """Sound in which every sample has a value of its own, none of it silent."""
    return (0.3 + 0.4 * np.arange(count) / max(1, count)).astype(np.float32)


def wave(begin: int, count: int) -> np.ndarray:
    """A piece of one long, smooth sound that is never silent and never quite repeats."""
    at = np.arange(begin, begin + count)
    return (0.5 + 0.2 * np.sin(2 * np.pi * at / 200) + 0.1 * at / 200_000).astype(np.float32)


def tone(seconds: float, rate: int = RATE, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def play(playback: Playback, blocks: int) -> np.ndarray:
    return np.concatenate([playback.take() for _ in range(blocks)]) if blocks else np.zeros(0, np.float32)


def drain(playback: Playback) -> np.ndarray:
    out = []
    while playback.active:
        out.append(playback.take())
        assert len(out) < 10_000
    return np.concatenate(out)


def filled(samples: np.ndarray, text: str = "one two three four.", marks=((0, 0),)) -> Playback:
    playback = Playback(RATE, BLOCK)
    playback.say(1, text, Chunk(samples, RATE, marks), last=True)
    return playback


def test_it_begins_idle_and_silent():
    playback = Playback(RATE, BLOCK)
    assert playback.state is State.IDLE and not playback.audible
    assert not play(playback, 3).any() and playback.position == 3 * BLOCK
    assert playback.stop() == Heard(0, "", "")


def test_a_reply_comes_out_whole_and_says_when():
    playback = filled(rising(5000))
    playback.finish(1)
    assert playback.state is State.DRAINING and playback.queued == pytest.approx(5000 / RATE)
    out = drain(playback)
    np.testing.assert_allclose(out[48 : 5000 - 48], rising(5000)[48:-48], atol=1e-6)
    assert not out[5000:].any()
    began, ended, over = playback.events()
    assert began == SentenceBegan(1, "one two three four.", 0)
    assert isinstance(ended, SentenceEnded) and ended.at == 5000 and ended.marks[0] == (0, 0)
    assert over == ReplyEnded(1, 5000, Heard(1, "one two three four.", ""))
    assert playback.state is State.IDLE and playback.events() == []


def test_a_duck_holds_the_very_sample_and_is_silent_within_a_block():
    playback = filled(rising(20_000))
    before = play(playback, 4)
    playback.duck()
    ducked = playback.take()
    assert playback.state is State.DUCKED
    assert not ducked[FADE:].any() and not play(playback, 10).any() and not playback.audible
    playback.resume()
    after = play(playback, 4)
    at = 4 * BLOCK + FADE
    np.testing.assert_allclose(after[FADE:], rising(20_000)[at + FADE : at + 4 * BLOCK], atol=1e-6)
    assert np.abs(np.diff(np.concatenate([before, ducked]))).max() < 0.02


def test_ducking_silence_does_nothing():
    playback = Playback(RATE, BLOCK)
    playback.duck()
    playback.say(1, "hello", Chunk(rising(4000), RATE), last=True)
    assert playback.state is State.PLAYING and playback.take().any()


def test_a_held_reply_does_not_begin_and_can_be_taken_back_unheard():
    playback = Playback(RATE, BLOCK)
    playback.held = True
    playback.say(1, "guess", Chunk(rising(4000), RATE), last=True)
    playback.finish(1)
    assert not play(playback, 30).any() and playback.stop() == Heard(1, "", "guess")
    playback.say(2, "sure", Chunk(rising(4000), RATE), last=True)
    play(playback, 3)
    playback.held = False
    assert playback.take().any()
    playback.held = True
    assert playback.take().any()
    assert [type(event) for event in playback.events()] == [SentenceBegan]


def test_stop_cuts_at_the_last_word_that_left_the_loudspeaker():
    marks = ((0, 0), (4, 4000), (8, 8000), (14, 12_000))
    playback = filled(rising(16_000), marks=marks)
    play(playback, 40)  # 10240 samples: one two are out, three is not
    assert playback.text() == Heard(1, "one two ", "three four.")
    heard = playback.stop(latency_samples=3000)
    assert heard == Heard(1, "one ", "two three four.")
    tail = playback.take()
    assert tail[: FADE - 1].any() and not tail[FADE:].any() and not play(playback, 3).any()
    assert playback.state is State.IDLE


def test_mandarin_is_cut_at_the_character():
    playback = filled(rising(16_000), "今天天气很好。")
    play(playback, 40)
    heard = playback.stop()
    assert heard.text == "今天天气" and heard.text + heard.unheard == "今天天气很好。"


def test_a_number_that_was_half_said_was_not_heard():
    text = Speakable.build("I have 23 cats.", [(7, 9, "twenty three")])
    playback = Playback(RATE, BLOCK)
    playback.say(1, text, Chunk(rising(25_600), RATE), last=True)
    play(playback, 56)
    assert playback.stop() == Heard(1, "I have ", "23 cats.")


def test_words_are_known_with_their_times_even_through_a_duck():
    playback = filled(rising(16_000), marks=((0, 0), (4, 4000), (8, 8000), (14, 12_000)))
    play(playback, 20)
    playback.duck()
    play(playback, 10)
    playback.resume()
    play(playback, 40)
    shift = 10 * BLOCK - FADE
    times = [(word.text, word.begin) for word in playback.words()]
    assert times == [("one", 0), ("two", 4000), ("three", 8000 + shift), ("four.", 12_000 + shift)]
    assert [word.text for word in playback.words(since=9000 + shift)] == ["three", "four."]
    playback.stop()
    assert [word.text for word in playback.words()] == ["one", "two", "three", "four."]


def test_older_generations_are_dropped_at_the_door():
    playback = filled(rising(8000))
    assert playback.say(2, "newer", Chunk(rising(8000), RATE), last=True)
    assert not playback.say(1, "older", Chunk(rising(8000), RATE), last=True)
    assert not playback.finish(1)
    assert playback.generation == 2 and playback.text().unheard == "newer"
    playback.stop()
    assert not playback.say(2, "late", Chunk(rising(8000), RATE), last=True)
    assert not playback.active and not play(playback, 3).any()


def test_a_newer_reply_cuts_off_the_older_without_a_click():
    playback = filled(rising(16_000))
    before = play(playback, 4)
    playback.say(2, "newer", Chunk(rising(16_000), RATE), last=True)
    after = play(playback, 4)
    assert np.abs(np.diff(np.concatenate([before, after]))).max() < 0.02
    np.testing.assert_allclose(after[FADE + 48 :], rising(16_000)[48 : 4 * BLOCK - FADE], atol=1e-6)


def test_sentences_follow_after_a_natural_pause_and_nothing_more():
    playback = filled(rising(4000), "One.")
    playback.say(1, "Two,", Chunk(rising(4000), RATE), last=True)
    playback.say(1, "Three.", Chunk(rising(4000), RATE), last=True)
    playback.finish(1)
    drain(playback)
    began = [event.at for event in playback.events() if isinstance(event, SentenceBegan)]
    assert began == [0, 4000 + 0.18 * RATE, 8000 + 0.28 * RATE]
    assert playback.starved == 0
    assert all(0.1 <= pause_after(text) <= 0.25 for text in ("A.", "b,", "好。", "好，", "line\n", ""))


def test_the_silence_an_engine_puts_around_a_sentence_is_not_played():
    silence = np.zeros(8000, np.float32)
    playback = filled(np.concatenate([silence, tone(0.5), silence, tone(0.5), silence]))
    playback.finish(1)
    out = drain(playback)
    assert len(out) / RATE == pytest.approx(1.5 + 0.035, abs=0.05)
    assert np.abs(out[:400]).max() > 0.3


def test_running_dry_fades_counts_and_goes_on_where_it_was():
    playback = Playback(RATE, BLOCK)
    sound = rising(12_000)
    playback.say(1, "one two", Chunk(sound[:2000], RATE), last=False)
    first = play(playback, 20)
    assert playback.state is State.STARVING and playback.starved == 1 and playback.starved_samples > 10 * BLOCK
    playback.say(1, "one two", Chunk(sound[2000:], RATE), last=True)
    playback.finish(1)
    second = drain(playback)
    whole = np.concatenate([first, second])
    assert np.abs(np.diff(whole)).max() < 0.02
    assert np.count_nonzero(whole > 0.25) == pytest.approx(12_000, abs=4 * FADE)
    assert playback.starved == 1


def test_waiting_for_the_next_sentence_beyond_the_pause_is_counted():
    playback = filled(rising(4000), "One.")
    play(playback, 60)
    assert playback.starved == 1 and playback.state is State.STARVING


def test_another_rate_is_converted_seamlessly_whatever_the_chunks():
    whole = tone(1.0, 22_050)

    def through(pieces: list[np.ndarray]) -> np.ndarray:
        playback = Playback(RATE, BLOCK)
        for index, piece in enumerate(pieces):
            playback.say(1, "tone", Chunk(piece, 22_050), last=index == len(pieces) - 1)
        playback.finish(1)
        return drain(playback)

    np.testing.assert_allclose(through([whole]), through(np.array_split(whole, 23)), atol=1e-5)


def test_marks_follow_the_rate():
    playback = Playback(48_000, 768)
    playback.say(1, "one two", Chunk(rising(8000), 16_000, ((0, 0), (4, 4000))), last=True)
    play(playback, 40)
    assert [word.begin for word in playback.words()] == [0, 12_000]


def test_a_rate_that_changes_within_a_sentence_is_refused():
    playback = Playback(RATE, BLOCK)
    playback.say(1, "a", Chunk(rising(500), 16_000), last=False)
    with pytest.raises(ValueError, match="22050"):
        playback.say(1, "a", Chunk(rising(500), 22_050), last=True)


def test_volume_ramps_and_nothing_clips():
    playback = filled(tone(2.0) * 1.9)
    before = play(playback, 4)
    playback.volume = 4.0
    loud = play(playback, 8)
    playback.volume = 0.0
    silent = play(playback, 8)
    assert np.abs(np.concatenate([before, loud])).max() < 1.0 and not silent[-BLOCK:].any()
    quiet = np.linspace(-0.8, 0.8, 99, dtype=np.float32)
    assert limit(quiet) is quiet
    assert np.all(np.diff(limit(np.linspace(-9, 9, 999, dtype=np.float32))) >= 0)


def test_sound_that_is_no_sound_is_silence():
    playback = filled(np.array([np.nan, np.inf, -np.inf] * 400, np.float32))
    playback.finish(1)
    assert not drain(playback).any()
    assert isinstance(playback.events()[-1], ReplyEnded)


def test_an_empty_reply_ends_at_once():
    playback = Playback(RATE, BLOCK)
    playback.finish(1)
    playback.take()
    assert playback.events() == [ReplyEnded(1, 0, Heard(1, "", ""))] and not playback.active


def test_a_sentence_without_sound_is_passed_and_belongs_to_what_was_heard():
    playback = filled(rising(4000), "Yes.")
    playback.say(1, "🙂", Chunk(np.zeros(0, np.float32), RATE, ()), last=True)
    playback.say(1, "No.", Chunk(rising(4000), RATE), last=True)
    play(playback, 30)
    assert playback.stop() == Heard(1, "Yes. 🙂", " No.")


TEXTS = ["One two three.", "Yes, I do!", "今天天气很好。", "Mixed 中文 and English", "word"]
ORDERS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.integers(1, 4000), st.booleans()),
        st.tuples(st.just("take"), st.integers(1, 12), st.none()),
        st.sampled_from([("duck", 0, None), ("resume", 0, None)]),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(ORDERS, st.sampled_from([64, 256, 768]), st.integers(0, 4000), st.booleans())
def test_whatever_the_order_nothing_is_lost_or_twice_or_clicks(orders, block, latency, stops):
    """Random say, duck, resume and take, then stop or play to the end, against the sound that was queued."""
    playback = Playback(RATE, block)
    out: list[np.ndarray] = []
    sounds: list[list[np.ndarray]] = []
    texts: list[str] = []
    complete = True
    ducks = 0
    for order, number, last in orders:
        if order == "say":
            if complete:
                sounds.append([])
                texts.append(TEXTS[len(sounds) % len(TEXTS)])
            sounds[-1].append(wave(sum(map(len, sounds[-1])), number))
            playback.say(1, texts[-1], Chunk(sounds[-1][-1], RATE), last)
            complete = bool(last)
        elif order == "take":
            out += [playback.take() for _ in range(number)]
        else:
            ducks += order == "duck"
            getattr(playback, order)()
    sentences = list(playback._reply)
    if stops:
        now = playback.text(latency)
        heard = playback.stop(latency)
        assert heard == now
        out += [playback.take() for _ in range(1 + FADE // block)]
        assert not playback.take().any()
    else:
        playback.resume()
        playback.finish(1)
        while playback.active:
            out.append(playback.take())
        heard = [event for event in playback.events() if isinstance(event, ReplyEnded)][-1].heard
        assert heard.unheard == "" and all(s.played == sum(map(len, p)) for s, p in zip(sentences, sounds, strict=True))
    assert heard.text + heard.unheard == join(texts)

    whole = np.concatenate([np.zeros(1, np.float32), *out])
    line = whole[1:]
    silent = np.ones(len(line), bool)
    exact = total = 0
    for sentence, pieces in zip(sentences, sounds, strict=True):
        sound = np.concatenate(pieces)
        at = 0
        for begin, inside, count in sentence.runs:
            assert inside == at and silent[begin : begin + count].all()
            at += count
            silent[begin : begin + count] = False
            expected = sound[inside : inside + count]
            assert np.all(line[begin : begin + count] <= expected + 1e-6)
            exact += np.count_nonzero(np.abs(line[begin : begin + count] - expected) < 1e-5)
        total += at
        assert at == sentence.played
    assert not line[silent].any()
    assert exact >= total - 2 * FADE * (ducks + playback.starved + 1) - 100 * len(sentences)
    assert np.abs(np.diff(whole)).max(initial=0) < 0.04


def test_a_held_reply_waits_unheard_and_keeps_its_place_in_time() -> None:
    playback = Playback(16_000, 256)
    sound = np.full(16_000, 0.3, np.float32)
    playback.say(1, "hello", Chunk(sound, 16_000), last=True)
    playback.finish(1)
    playback.held = True
    assert not any(playback.take().any() for _ in range(10))
    assert not playback.events()
    playback.held = False
    assert playback.take().any()
    began = [event for event in playback.events() if isinstance(event, SentenceBegan)]
    assert began[0].at == 10 * 256
