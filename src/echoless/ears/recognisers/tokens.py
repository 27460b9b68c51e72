"""The token list beside a moonshine model: pieces of UTF-8 with "▁" for a blank, the shortest merges first.

The file is one piece after another, each after its length: a byte, or two where the first is over 127 (then
`first - 128 + 128 * second`). Text is cut by byte-pair encoding (Sennrich et al., 2016); a merge's rank is its
place in the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

BLANK = "▁"
SPECIAL = frozenset([b"<unk>", b"<s>", b"</s>"])


class Tokens:
    """Text to token numbers and back."""

    def __init__(self, file: Path) -> None:
        """Raises OSError, and ValueError where `file` is no such list."""
        self.pieces = _read(file.read_bytes())
        self._number = {piece: number for number, piece in reversed(list(enumerate(self.pieces)))}

    def text(self, numbers: Sequence[int]) -> str:
        """What tokens spell; special ones spell nothing."""
        spelled = b"".join(piece for piece in (self.pieces[number] for number in numbers) if piece not in SPECIAL)
        return spelled.decode(errors="replace").replace(BLANK, " ").strip()

    def numbers(self, text: str, led: bool = True) -> list[int]:
        """The tokens of `text`, `led` by a blank or not; characters that the list lacks are spelled in bytes."""
        spelled = BLANK * led + text.replace(" ", BLANK)
        parts = [piece for letter in spelled for piece in self._letter(letter)]
        while ranked := [
            (rank, at) for at in range(len(parts) - 1) if (rank := self._number.get(parts[at] + parts[at + 1]))
        ]:
            at = min(ranked)[1]
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return [self._number[part] for part in parts]

    def _letter(self, letter: str) -> list[bytes]:
        whole = letter.encode()
        return [whole] if whole in self._number else [bytes([byte]) for byte in whole]


def _read(data: bytes) -> list[bytes]:
    pieces, at = [], 0
    while at < len(data):
        length, at = data[at], at + 1
        if length > 127 and at < len(data):
            length, at = length - 128 + 128 * data[at], at + 1
        if at + length > len(data):
            raise ValueError("the token list ends in the middle of a token")
        pieces.append(data[at : at + length])
        at += length
    if b"</s>" not in pieces[:3]:
        raise ValueError("no list of tokens")
    return pieces
