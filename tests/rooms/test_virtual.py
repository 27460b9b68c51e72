"""Virtual time: order, timeouts, cancellation, charging, and real sockets inside it."""

import asyncio
import functools
import time

import numpy as np
import pytest

from echoless.frames import Chunk
from echoless.rooms.virtual import VirtualMeter, run_virtual


def now():
    return asyncio.get_running_loop().time()


def burn(seconds):
    """Blocking work that takes so much CPU time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return "done"


def test_an_hour_passes_at_once_and_in_order():
    async def main():
        seen = []

        async def ring(at):
            await asyncio.sleep(at)
            seen.append((at, now()))

        await asyncio.gather(*(ring(at) for at in (3600, 1, 60, 0.016)))
        return seen

    begun = time.monotonic()
    assert run_virtual(main()) == [(at, pytest.approx(at)) for at in (0.016, 1, 60, 3600)]
    assert time.monotonic() - begun < 5


def test_many_small_sleeps_do_not_drift():
    async def main():
        for _ in range(10_000):
            await asyncio.sleep(0.016)
        return now()

    assert run_virtual(main()) == pytest.approx(160.0, abs=1e-6)


def test_timeouts_are_virtual():
    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(100):
                await asyncio.Event().wait()
        return now()

    assert run_virtual(main()) == pytest.approx(100)


def test_work_is_charged_by_its_cpu_time_and_others_go_on_meanwhile():
    async def main():
        meter, ticks = VirtualMeter(), 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        result = await meter.run("recognise", lambda: burn(0.1))
        ticking.cancel()
        return result, now(), ticks, meter.spent["recognise"]

    result, at, ticks, spent = run_virtual(main())
    assert result == "done"
    assert 0.1 <= at < 0.5
    assert spent == [pytest.approx(at)]
    assert 8 <= ticks <= at / 0.01


def test_waiting_costs_nothing_where_cpu_time_is_measured():
    async def main():
        await VirtualMeter().run("recognise", lambda: time.sleep(0.2))
        return now()

    assert run_virtual(main()) < 0.1


def test_fixed_costs_follow_the_table_and_the_length_of_the_sound():
    async def main():
        meter = VirtualMeter("fixed")
        await meter.run("recognise", functools.partial(lambda sound: burn(0.01), np.zeros(32_000, np.float32)))
        first = now()
        async for _ in meter.stream("speak", lambda: iter([Chunk(np.zeros(22_050, np.float32), 22_050)])):
            pass
        return first, now() - first

    assert run_virtual(main()) == (pytest.approx(0.03 + 0.06), pytest.approx(0.052))


def test_a_part_does_one_thing_at_a_time_and_different_parts_do_not_wait():
    async def main():
        meter = VirtualMeter("fixed")
        ends = {}

        async def work(name, part):
            await meter.run(part, lambda: None)
            ends[name] = now()

        await asyncio.gather(work("a", "turn_end"), work("b", "turn_end"), work("c", "recognise"))
        return ends

    assert run_virtual(main()) == {"a": pytest.approx(0.09), "b": pytest.approx(0.18), "c": pytest.approx(0.03)}


def test_cancelled_work_still_occupies_its_worker():
    async def main():
        meter = VirtualMeter("fixed")
        task = asyncio.create_task(meter.run("turn_end", lambda: None))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await meter.run("turn_end", lambda: None)
        return now()

    assert run_virtual(main()) == pytest.approx(0.18)


def test_failing_work_is_charged_and_raises():
    async def main():
        with pytest.raises(ZeroDivisionError):
            await VirtualMeter("fixed").run("turn_end", lambda: 1 / 0)
        return now()

    assert run_virtual(main()) == pytest.approx(0.09)


def test_closing_a_stream_closes_the_engine():
    closed = []

    def engine():
        try:
            while True:
                yield Chunk(np.zeros(1600, np.float32), 16_000)
        finally:
            closed.append(True)

    async def main():
        stream = VirtualMeter("fixed").stream("speak", engine)
        async for _ in stream:
            break
        await stream.aclose()

    run_virtual(main())
    assert closed == [True]


async def serve(reader, writer):
    """A real server that answers after 100 ms, then twice more 50 ms apart, in a thread's real time."""
    await reader.readline()
    for wait in (0.1, 0.05, 0.05):
        await asyncio.to_thread(time.sleep, wait)
        writer.write(b"token\n")
        await writer.drain()
    writer.close()


class Server:
    """In a thread with an ordinary loop, as a server in another process would be."""

    def __enter__(self):
        import threading

        self.loop, ready = asyncio.new_event_loop(), threading.Event()

        async def begin():
            self.server = await asyncio.start_server(serve, "127.0.0.1", 0)
            self.port = self.server.sockets[0].getsockname()[1]
            ready.set()

        def work():
            self.loop.run_until_complete(begin())
            self.loop.run_forever()

        self.thread = threading.Thread(target=work)
        self.thread.start()
        ready.wait(5)
        return self.port

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.server.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


async def ask(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"go\n")
    try:
        while line := await reader.readline():
            yield line
    finally:
        writer.close()


def test_a_real_server_is_waited_for_and_charged_while_the_clock_stands():
    async def main(port):
        meter, beats, times = VirtualMeter(), [], []

        async def heart():
            while True:
                await asyncio.sleep(0.016)
                beats.append(now())

        beating = asyncio.create_task(heart())
        times.extend([now() async for _ in meter.outside("think", ask(port))])
        beating.cancel()
        return times, beats

    with Server() as port:
        times, beats = run_virtual(main(port))
    assert len(times) == 3
    # what it really took, and not the many hours that a clock without brakes would have run through
    assert 0.09 < times[0] < 1.0
    assert times[0] + 0.04 < times[1] < times[2] - 0.04
    assert len(beats) == pytest.approx(times[2] / 0.016, abs=2)


def test_what_the_server_made_while_nobody_asked_is_not_charged_again():
    async def main(port):
        meter, gaps = VirtualMeter(), []
        last = 0.0
        async for _ in meter.outside("think", ask(port)):
            gaps.append(now() - last)
            await asyncio.sleep(10)
            last = now()
        return gaps

    with Server() as port:
        gaps = run_virtual(main(port))
    assert gaps[0] > 0.09
    assert gaps[1:] == [0.0, 0.0]


def test_an_outside_source_that_sleeps_in_this_loop_does_not_stop_the_world(monkeypatch):
    monkeypatch.setattr("echoless.rooms.virtual.PATIENCE", 0.05)

    async def slow():
        for k in range(3):
            await asyncio.sleep(0.05)
            yield k

    async def main():
        return [k async for k in VirtualMeter().outside("think", slow())], now()

    items, at = run_virtual(main())
    assert items == [0, 1, 2]
    assert at < 2


def test_threads_hold_the_clock():
    async def main():
        late = asyncio.create_task(asyncio.sleep(1000))
        await asyncio.to_thread(time.sleep, 0.05)
        at = now()
        late.cancel()
        return at

    assert run_virtual(main()) < 1


def test_fixed_cost_repeats_exactly():
    async def main():
        meter, log = VirtualMeter("fixed"), []

        async def part(name, pause):
            for k in range(50):
                await asyncio.sleep(pause)
                await meter.run(name, lambda: burn(0.0002))
                log.append((name, k, now()))

        await asyncio.gather(part("recognise", 0.011), part("speak", 0.007), part("other", 0.003))
        return log

    assert run_virtual(main()) == run_virtual(main())
