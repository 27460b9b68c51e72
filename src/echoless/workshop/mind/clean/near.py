"""Near-duplicates: MinHash signatures in bands (Broder 1997; Leskovec, Rajaraman and Ullman, chapter 3), kept on disk.

A dialogue is a set of short stretches of characters. Two whose sets overlap by more than `alike` (Jaccard) are near:
the one that comes first stays. The index is a file beside the output, so memory does not grow with the corpus.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import zlib
from pathlib import Path

import numpy as np

PERMUTATIONS, ROWS = 64, 4
SHINGLE = 6
"""Characters of a stretch; half of that in Chinese."""
_PRIME = (1 << 31) - 1
_BATCH = 4096


class NearDuplicates:
    """Asked of each dialogue in turn. Close it to remove its file."""

    def __init__(self, folder: Path, alike: float = 0.8) -> None:
        self.alike = alike
        self._path = folder / ".near.sqlite"
        self._path.unlink(missing_ok=True)
        self._index = sqlite3.connect(self._path, isolation_level=None)
        for line in ("PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF", "PRAGMA cache_size=-65536", "BEGIN"):
            self._index.execute(line)
        self._index.execute("CREATE TABLE said (hash BLOB PRIMARY KEY, id TEXT) WITHOUT ROWID")
        self._index.execute(
            "CREATE TABLE near (band INTEGER, hash INTEGER, n INTEGER, PRIMARY KEY (band, hash, n)) WITHOUT ROWID"
        )
        self._index.execute("CREATE TABLE signature (n INTEGER PRIMARY KEY, id TEXT, bytes BLOB)")
        draw = np.random.default_rng(20)
        self._a = draw.integers(1, _PRIME, PERMUTATIONS, dtype=np.uint64)[:, None]
        self._b = draw.integers(0, _PRIME, PERMUTATIONS, dtype=np.uint64)[:, None]

    def seen(self, text: str, key: str) -> tuple[str, str, float] | None:
        """`duplicate` or `near-duplicate`, the key of the one that was there first, and how alike they are; None for
        what is new, which is remembered."""
        bare = re.sub(r"[\W_]+", "", text.lower())
        digest = hashlib.blake2b(bare.encode("utf-8", "replace"), digest_size=16).digest()
        if known := self._index.execute("SELECT id FROM said WHERE hash = ?", (digest,)).fetchone():
            return "duplicate", known[0], 1.0
        signature = self.signature(bare)
        found = self._nearest(signature)
        self._index.execute("INSERT INTO said VALUES (?, ?)", (digest, found[1] if found else key))
        if found:
            return found
        row = self._index.execute(
            "INSERT INTO signature (id, bytes) VALUES (?, ?)", (key, signature.tobytes())
        ).lastrowid
        self._index.executemany(
            "INSERT OR IGNORE INTO near VALUES (?, ?, ?)", [(*band, row) for band in _bands(signature)]
        )
        return None

    def signature(self, bare: str) -> np.ndarray:
        """The smallest hash of each permutation over all stretches: uint32 (PERMUTATIONS,)."""
        data = bare.encode("utf-8", "replace")
        # Bytes, not characters: six letters, or two Chinese characters, which is as rare.
        hashes = {zlib.crc32(data[n : n + SHINGLE]) for n in range(max(1, len(data) - SHINGLE + 1))}
        values = np.fromiter(hashes, np.uint64, len(hashes)) % _PRIME
        least = np.full(PERMUTATIONS, _PRIME, np.uint64)
        for first in range(0, len(values), _BATCH):
            part = (self._a * values[None, first : first + _BATCH] + self._b) % _PRIME
            least = np.minimum(least, part.min(axis=1))
        return least.astype(np.uint32)

    def _nearest(self, signature: np.ndarray) -> tuple[str, str, float] | None:
        tried: set[int] = set()
        for band in _bands(signature):
            rows = self._index.execute("SELECT n FROM near WHERE band = ? AND hash = ? LIMIT 50", band).fetchall()
            for (number,) in rows:
                if number in tried:
                    continue
                tried.add(number)
                key, held = self._index.execute("SELECT id, bytes FROM signature WHERE n = ?", (number,)).fetchone()
                alike = float((np.frombuffer(held, np.uint32) == signature).mean())
                if alike >= self.alike:
                    return "near-duplicate", key, alike
        return None

    def close(self) -> None:
        """Remove the index."""
        self._index.close()
        self._path.unlink(missing_ok=True)


def _bands(signature: np.ndarray) -> list[tuple[int, int]]:
    rows = signature.reshape(-1, ROWS)
    return [(n, int.from_bytes(hashlib.blake2b(row.tobytes(), digest_size=7).digest())) for n, row in enumerate(rows)]
