"""Settings → organs: what goes where."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from echoless.frames import Turn
from echoless.house import open_mind
from echoless.settings import Settings
from tests.mind.liar import Answer, Liar


async def fine(answer: Answer) -> None:
    await answer.say("Yes.")


async def test_a_servers_model_that_is_known_is_sampled_as_it_advises(tmp_path: Path) -> None:
    """A worker's conversations share one server of ours: the model's advice reaches them, what was set comes first."""
    (tmp_path / "model.json").write_text('{"sampling": {"temperature": 0.4, "min_p": 0.07, "top_k": 30}}')
    async with Liar(completion=fine).serving() as liar, AsyncExitStack() as stack:
        settings = Settings(llm_url=liar.url, temperature=0.2)
        mind = await open_mind(settings, stack, served=tmp_path / "model.gguf")
        assert [piece async for piece in mind.reply([Turn("user", "Are you there?")])] == ["Yes."]
        (body,) = liar.bodies("/completion")
    assert (body["temperature"], body["min_p"], body["top_k"]) == (0.2, 0.07, 30)
