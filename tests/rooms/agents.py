"""Small agents, one good and the others bad each in its own way, who know by magic when the user talks."""

from __future__ import annotations

import numpy as np
from people import words

from echoless.frames import BLOCK, RATE
from echoless.rooms.line import RoomLine

REPLY = words(9.0, 77, -20)


class Ideal:
    """Answers 0.5 s after the user, ducks 0.1 s and stops 0.4 s into an interruption, goes on after a nod."""

    answer_after, duck_after, stop_after = 0.5, 0.1, 0.4

    def __init__(self, line: RoomLine) -> None:
        self.line = line
        self.at: int | None = None
        """Sample of the reply that is next; None while silent."""
        self.talked = self.quiet = 0.0
        self.owes = False

    def user_talks(self) -> bool:
        i = self.line.index * BLOCK
        return bool(np.abs(self.line._people[i - BLOCK : i]).max() > 0.003) if i else False

    def listen(self) -> None:
        step = BLOCK / RATE
        if self.user_talks():
            self.talked, self.quiet = self.talked + step + (self.quiet if self.talked else 0.0), 0.0
            self.owes = self.owes or self.talked > 0.6
        else:
            self.quiet += step
            if self.quiet > 0.25:
                self.talked = 0.0

    def decide(self) -> None:
        if self.at is not None and self.talked > 0.6 + self.stop_after:
            self.at = None
        elif self.at is None and self.owes and self.quiet > self.answer_after:
            self.at, self.owes = 0, False
        elif self.at is not None and self.quiet > 1.0:
            self.owes = False

    def held(self) -> bool:
        return self.talked > self.duck_after

    def speak(self) -> np.ndarray:
        out = np.zeros(BLOCK, np.float32)
        if self.at is None or self.held():
            return out
        piece = REPLY[self.at : self.at + BLOCK]
        out[: len(piece)] = piece
        self.at = self.at + BLOCK if self.at + BLOCK < len(REPLY) else None
        return out

    async def run(self) -> None:
        await self.line.open()
        block = True
        while block is not None:
            self.listen()
            self.decide()
            block = await self.line.exchange(self.speak())
        await self.line.aclose()


class NeverStops(Ideal):
    def decide(self) -> None:
        if self.at is None:
            super().decide()

    def held(self) -> bool:
        return False


class StopsByItself(Ideal):
    """Takes its own voice for the user's, 3 s into every reply."""

    def decide(self) -> None:
        super().decide()
        if self.at is not None and self.at > 3 * RATE:
            self.at = None


class StopsAtAnything(Ideal):
    def decide(self) -> None:
        super().decide()
        if self.at is not None and self.talked > 0.1:
            self.at = None


class MutesWhileAnyoneTalks(Ideal):
    """Silent while it hears a voice, then goes on with the same reply."""

    def decide(self) -> None:
        if self.at is None:
            super().decide()

    def held(self) -> bool:
        return self.user_talks()


class MutesItsMicrophone(Ideal):
    """Half duplex: deaf while it talks."""

    def listen(self) -> None:
        if self.at is None:
            super().listen()
        else:
            self.talked = self.quiet = 0.0


class AnswersTwice(Ideal):
    again = 0

    def decide(self) -> None:
        was = self.at
        super().decide()
        if self.at is None and was is not None:
            self.again = 0
        if self.at is None and not self.owes and self.quiet > 1 and self.line.index > 200:
            self.again += 1
            if self.again == 80:
                self.at = 0


class Silent(Ideal):
    def speak(self) -> np.ndarray:
        return np.zeros(BLOCK, np.float32)


class HoldsItsBreath(Ideal):
    """Ducks for 0.3 s every 1.3 s though nobody talks."""

    def held(self) -> bool:
        return super().held() or (self.at is not None and self.line.index % 80 < 19)


class TurnsItselfDown(Ideal):
    """Takes the edge off by 10 dB in place of stopping."""

    def decide(self) -> None:
        if self.at is None:
            super().decide()

    def held(self) -> bool:
        return False

    def speak(self) -> np.ndarray:
        return super().speak() * np.float32(0.3 if self.talked > 0.1 else 1.0)


class GreetsNobody(Ideal):
    def decide(self) -> None:
        super().decide()
        if self.line.index == 30:
            self.at = 0
