"""The circuit breaker: when the agent keeps hearing itself, it falls back to half duplex until things look well."""

from __future__ import annotations

from dataclasses import dataclass

from echoless.frames import BLOCK_SECONDS


@dataclass(frozen=True, slots=True)
class Limits:
    suspicions: int = 4
    """Echoes taken for a person in a row, with no person in between, that break full duplex."""
    within: int = round(60 / BLOCK_SECONDS)
    """Blocks of agent speech within which they count."""
    rest: int = round(15 / BLOCK_SECONDS)
    """Blocks of agent speech in half duplex after which full duplex is tried again."""


class Breaker:
    """Counts suspicions in blocks of the agent's speech. Pure."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.duplex = "full"
        self._spoken = 0
        self._suspicions: list[int] = []
        self._broken_at: int | None = None

    def echo(self) -> None:
        """The agent's own sound was taken for a person, and found out."""
        self._suspicions.append(self._spoken)

    def user_spoke(self) -> None:
        """A person really spoke."""
        self._suspicions.clear()

    def tick(self, agent_speaks: bool, guard_mode: str) -> tuple[str, str] | None:
        """One block passes; the new (duplex, why) where it changes. `guard_mode` is what the guard advises."""
        self._spoken += agent_speaks
        self._suspicions = [at for at in self._suspicions if self._spoken - at < self.limits.within]
        duplex, why = guard_mode, f"the echo guard is {guard_mode}"
        if self._broken_at is not None and self._spoken - self._broken_at >= self.limits.rest:
            self._broken_at = None
            self._suspicions.clear()
        if len(self._suspicions) >= self.limits.suspicions and self._broken_at is None:
            self._broken_at = self._spoken
        if self._broken_at is not None:
            duplex, why = "half", f"heard itself {self.limits.suspicions} times in a row"
        if duplex == self.duplex:
            return None
        self.duplex = duplex
        return duplex, why
