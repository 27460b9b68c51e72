"""A recorded call, replayed with the same ears and with others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from echoless.ears.ears import Ears
from echoless.ears.recognisers.fake import FakeRecogniser
from echoless.ears.turn_end import FakeTurnEnd
from echoless.frames import RATE, Samples
from echoless.meter import Meter
from echoless.recall import RecordError, recall
from echoless.record import Recorder
from echoless.replay import Decision, compare, run
from tests.test_talk import LoudIsNear, Scene, after_agent, quiet, talk


def words(sound: Samples) -> str:
    """What a fake recogniser makes of a sound, by its length."""
    return "tell me a story" if len(sound) < 2.1 * RATE else "stop that now please"


def ears(say: Callable[[Samples], str] = words, guard: object | None = None):
    def make(meter: Meter) -> Ears:
        return Ears(guard or LoudIsNear(), FakeRecogniser(say), FakeTurnEnd(0.95), meter, language="en")  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A question, its answer, an interruption."""
    folder = tmp_path_factory.mktemp("calls") / "call"
    question = np.concatenate([quiet(0.5), talk(1.2), quiet(1.0)])
    scene = Scene(lambda s: after_agent(s, question, talk(2.5), quiet(8.0)), texts=words)
    scene.call._recorder = Recorder(folder, {})
    scene.run()
    assert scene.all("agent.stopped")[0].data["reason"] == "interrupted"
    return folder


def test_the_same_ears_decide_the_same(record: Path):
    found = run(recall(record), ears())
    assert found.same, (found.then, found.now)
    assert [decision.kind for decision in found.agreed][:2] == ["said", "interrupted"]


def test_other_words_are_the_first_difference(record: Path):
    found = run(recall(record), ears(lambda sound: words(sound).replace("story", "tale")))
    assert found.agreed == ()
    assert found.then is not None and found.then.what == "tell me a story"
    assert found.now is not None and found.now.what == "tell me a tale"


def test_ears_that_miss_the_interruption_are_found_out(record: Path):
    class DeafOnceTheAgentSpoke(LoudIsNear):
        spoke = False

        def hear(self, microphone, reference):
            self.spoke = self.spoke or bool(np.abs(reference).max() > 1e-3)
            return super().hear(microphone * (not self.spoke), reference)

    found = run(recall(record), ears(guard=DeafOnceTheAgentSpoke()))
    assert [decision.kind for decision in found.agreed] == ["said"]
    assert found.then is not None and found.then.kind == "interrupted"


def test_decisions_are_compared_in_kind_words_and_time():
    a = Decision(1.0, "said", "yes")
    assert compare([a], [Decision(1.4, "said", "yes")]).same
    for other in (Decision(9.0, "said", "yes"), Decision(1.0, "said", "no"), Decision(1.0, "rejected", "yes")):
        assert compare([a], [other]).now == other
    assert compare([a], []).then == a
    assert compare([], [a]).now == a


def test_without_sound_there_is_no_replay(tmp_path: Path):
    (tmp_path / "events.jsonl").write_text('{"t": 1, "event": "user.started"}\n')
    with pytest.raises(RecordError, match=r"needs mic\.wav and speaker\.wav"):
        run(recall(tmp_path), ears())
