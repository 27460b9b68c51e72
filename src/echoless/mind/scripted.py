"""Minds that need no model: replies from a bank, for rehearsals, and a user's own function."""

from __future__ import annotations

import asyncio
import inspect
import random
import re
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing, suppress
from functools import partial
from importlib.resources import files
from typing import Any

from echoless.frames import Turn
from echoless.mind.door import MindError, MindTraits
from echoless.mind.pieces import Waiting, speakable
from echoless.mind.spoken import ReplyFilter
from echoless.mind.wire import Patience, one_line

ENGLISH, MANDARIN = "en", "zh"
_HAN = re.compile(r"[\u3400-\u9fff]")
_TOKEN = re.compile(
    r"\s*[\u3000-\u30ff\u3400-\u9fff\uff00-\uff65]|\s*[^\s\u3000-\u30ff\u3400-\u9fff\uff00-\uff65]{1,6}"
)


def bank(language: str) -> list[str]:
    """The replies in `en` or `zh`, each 8 to 15 s when spoken. They differ in words, numbers, questions and rhythm:
    a rehearsal must not be won by knowing the agent's favourite phrases."""
    text = files("echoless.mind").joinpath("replies", f"{language}.txt").read_text("utf-8")
    return [line for line in text.splitlines() if line.strip()]


def tokens(text: str) -> list[str]:
    """`text` in pieces of about a token, nothing lost."""
    pieces = _TOKEN.findall(text)
    return pieces if "".join(pieces) == text else [text]


class ScriptedMind:
    """Replies from the bank in an order that `seed` fixes, none twice before all were said once; or `replies` as they
    stand, round and round.

    It answers in `language`, or in that of the last user turn. One piece of text takes `pace` seconds, which `sleep`
    waits for: give it the call's own in virtual time.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        language: str | None = None,
        pace: float = 0.0,
        first: float = 0.0,
        replies: Sequence[str] | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.traits = MindTraits("scripted", prefills=False)
        self._language = language
        self._pace = pace
        self._first = first
        self._sleep = sleep
        self._replies = list(replies or ())
        self._draws = {key: random.Random(f"{seed} {key}") for key in (ENGLISH, MANDARIN)}
        self._left: dict[str, list[str]] = {key: [] for key in self._draws}

    def reply(self, turns: Sequence[Turn]) -> AsyncIterator[str]:
        """The next reply of the bank, piece by piece."""
        return self._reply(self._next(turns[-1].text if turns else ""))

    async def prefill(self, turns: Sequence[Turn]) -> None:
        """Nothing to get ready."""

    async def aclose(self) -> None:
        """Nothing to let go of."""

    def _next(self, question: str) -> str:
        if self._replies:
            self._replies.append(self._replies.pop(0))
            return self._replies[-1]
        language = self._language or (MANDARIN if _HAN.search(question) else ENGLISH)
        if language not in self._draws:
            raise MindError(f"the scripted mind speaks {' and '.join(self._draws)}, not {language}")
        if not self._left[language]:
            self._left[language] = bank(language)
            self._draws[language].shuffle(self._left[language])
        return self._left[language].pop()

    async def _reply(self, text: str) -> AsyncGenerator[str, None]:
        await self._sleep(self._first)
        for piece in tokens(text):
            await self._sleep(self._pace)
            yield piece


Answer = str | Iterable[str] | AsyncIterator[str] | Awaitable[Any]
_END = object()


class FunctionMind:
    """A function as a mind: `FunctionMind(lambda text: f"You said {text}")`.

    It gets the user's words, and the whole history (`Sequence[Turn]`) if it takes a second argument. It may be plain or
    async and give a text, an iterator or an async iterator of texts. What is not async runs in a thread of its own,
    so that it may take its time: a reply that is not wanted any more is dropped, the function itself runs on.
    """

    def __init__(
        self, function: Callable[..., Answer], *, patience: Patience | None = None, limit: int = 4000, name: str = ""
    ) -> None:
        self.traits = MindTraits(name or getattr(function, "__name__", "function").strip("<>"))
        self._function = function
        self._with_history = _takes_two(function)
        self._patience = patience or Patience()
        self._limit = limit

    def reply(self, turns: Sequence[Turn]) -> AsyncIterator[str]:
        """Pieces of what the function gives; whatever it raises becomes a MindError."""
        who = f"the reply function {self.traits.name}"
        source = self._pieces(turns)
        return speakable(source, ReplyFilter(limit=self._limit), Waiting(self._patience, who), who)

    async def prefill(self, turns: Sequence[Turn]) -> None:
        """A function cannot get ready."""

    async def aclose(self) -> None:
        """Nothing to let go of."""

    async def _pieces(self, turns: Sequence[Turn]) -> AsyncGenerator[str, None]:
        text = turns[-1].text if turns else ""
        call = partial(self._function, text, tuple(turns)) if self._with_history else partial(self._function, text)
        try:
            plain = not (inspect.iscoroutinefunction(self._function) or inspect.isasyncgenfunction(self._function))
            answer: Any = await _in_thread(call) if plain else call()
            if inspect.isawaitable(answer):
                answer = await answer
            async with aclosing(_texts(answer)) as texts:
                async for piece in texts:
                    yield piece
        except (MindError, asyncio.CancelledError, GeneratorExit):
            raise
        except Exception as why:
            said = f"{type(why).__name__}: {one_line(why) or 'no reason given'}"
            raise MindError(f"the reply function {self.traits.name} raised {said}") from why


async def _texts(answer: Any) -> AsyncGenerator[str, None]:
    if answer is None or isinstance(answer, str):
        yield answer or ""
    elif hasattr(answer, "__aiter__"):
        async with _closing(answer) as items:
            async for item in items:
                yield str(item)
    elif isinstance(answer, Iterable):
        items = iter(answer)
        while (item := await _in_thread(partial(next, items, _END))) is not _END:
            yield str(item)
    else:
        yield str(answer)


async def _in_thread(call: Callable[[], Any]) -> Any:
    """What `call` returns. Its thread is a daemon: a function that hangs must not keep the program from ending."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[Any] = loop.create_future()

    def settle(value: Any, why: BaseException | None) -> None:
        if result.done():
            return
        if why is None:
            result.set_result(value)
        else:
            result.set_exception(RuntimeError(repr(why)) if isinstance(why, StopIteration) else why)

    def work() -> None:
        value, failure = None, None
        try:
            value = call()
        except BaseException as why:
            failure = why
        with suppress(RuntimeError):  # the loop has closed meanwhile
            loop.call_soon_threadsafe(settle, value, failure)

    threading.Thread(target=work, name="echoless-reply", daemon=True).start()
    return await result


def _closing(items: Any) -> Any:
    return aclosing(items) if hasattr(items, "aclose") else _Open(items)


class _Open:
    """An async iterator that cannot be closed, where one that can is wanted."""

    def __init__(self, items: Any) -> None:
        self._items = items

    async def __aenter__(self) -> Any:
        return self._items

    async def __aexit__(self, *_: object) -> None:
        return None


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(positional) >= 2 and positional[1].default is inspect.Parameter.empty
