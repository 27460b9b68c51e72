import numpy as np

from echoless.frames import BLOCK
from echoless.lines.fake import ScriptedLine


async def blocks(line: ScriptedLine, count: int) -> list[np.ndarray]:
    await line.open()
    got = [await line.exchange(np.zeros(line.traits.block, np.float32)) for _ in range(count)]
    return [b.microphone for b in got if b is not None]


async def test_script_then_silence() -> None:
    line = ScriptedLine(np.ones(300, np.float32))
    got = np.concatenate(await blocks(line, 3))
    assert got.sum() == 300
    assert got[:300].all()
    assert line.ended


async def test_hangs_up_after_the_script() -> None:
    line = ScriptedLine(np.ones(2 * BLOCK, np.float32), hangs_up=True)
    assert len(await blocks(line, 5)) == 2


async def test_a_generator_can_react_to_the_agent() -> None:
    def user():
        while not line.played.any():
            yield np.zeros(BLOCK, np.float32)
        yield np.full(BLOCK, 0.5, np.float32)

    line = ScriptedLine(user())
    await line.open()
    quiet, loud = np.zeros(BLOCK, np.float32), np.full(BLOCK, 0.1, np.float32)
    got = [await line.exchange(x) for x in (quiet, quiet, loud, quiet, quiet)]
    assert [bool(b and b.microphone.any()) for b in got] == [False, False, False, True, False]


async def test_echo_and_loss_are_as_told() -> None:
    line = ScriptedLine(echo=lambda reference: 0.5 * reference, lost={1: 17})
    await line.open()
    loud = np.full(BLOCK, 0.4, np.float32)
    first, second = await line.exchange(loud), await line.exchange(loud)
    assert first is not None and second is not None
    assert np.allclose(first.microphone, 0.2)
    assert (first.lost, second.lost) == (0, 17)
    assert np.allclose(line.played, 0.4) and len(line.played) == 2 * BLOCK
