"""A small classifier for talk that no word list finds: hashed character n-grams, logistic regression.

    python -m echoless.workshop.mind.safety.classifier    # trains on lines/, writes classifier.npz, prints figures

Features are the n-grams of one to four characters of the words (of one to three in Chinese), hashed into 2^14 places
(Weinberger et al. 2009, without signs), each counted once and scaled to unit length. The lines that it learns from are
the project's own and mild; what it knows is the tone, not the words of a lexicon.
"""

from __future__ import annotations

import argparse
import random
import re
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from echoless.workshop.mind.pocket.corpora import CorpusError, load_corpus
from echoless.workshop.mind.words import HAN

HERE = Path(__file__).parent
WEIGHTS = HERE / "classifier.npz"
PLACES = 1 << 14
CORPORA = {"topical-chat": "en", "taskmaster-4": "en", "kdconv": "zh", "crosswoz": "zh"}
_WORD = re.compile(rf"[{HAN}]+|[^\W_{HAN}]+")
_HAN = re.compile(f"[{HAN}]")


def features(text: str) -> np.ndarray:
    """The places of a text's n-grams, sorted, each once: int64 (any number,)."""
    places = set()
    for word in _WORD.findall(text.lower().replace("’", "'").replace("'", "")):
        chinese = bool(_HAN.match(word))
        shown = word if chinese else f" {word} "
        for size in (1, 2, 3) if chinese else (2, 3, 4, len(shown)):
            for at in range(len(shown) - size + 1):
                places.add(zlib.crc32(shown[at : at + size].encode("utf-8", "replace")) % PLACES)
    return np.array(sorted(places), np.int64)


@dataclass(frozen=True)
class Classifier:
    """Weights float32 (PLACES,), and the bias."""

    weights: np.ndarray
    bias: float

    def __call__(self, text: str) -> float:
        """How likely the text is unfit, 0 to 1."""
        found = features(text)
        if not len(found):
            return 0.0
        return float(1 / (1 + np.exp(-(self.weights[found].sum() / np.sqrt(len(found)) + self.bias))))


@lru_cache(maxsize=1)
def shipped() -> Classifier:
    """The one that comes with Echoless."""
    kept = np.load(WEIGHTS)
    return Classifier(kept["weights"].astype(np.float32), float(kept["bias"]))


def read_lines() -> list[tuple[str, str, int]]:
    """(language, line, 1 where it is unfit), remarks left out."""
    found = []
    for path in sorted((HERE / "lines").glob("*.*.txt")):
        language, kind = path.name.split(".")[:2]
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
        found += [(language, line, int(kind == "unfit")) for line in lines if line and line[0] != "#"]
    return found


def ordinary(most: int) -> tuple[list[tuple[str, str, int]], list[tuple[str, str, int]]]:
    """Turns of people's dialogues from shared/corpora as more of what is fit: to learn from, and others to judge on;
    none where the corpora are not there. Weights are results of computing, which their licences leave free."""
    learn, judge = list[tuple[str, str, int]](), list[tuple[str, str, int]]()
    for name, language in CORPORA.items():
        try:
            kept, held = load_corpus(name, hold_out=2)
        except CorpusError:
            continue
        for corpus, rows in ((kept, learn), (held, judge)):
            turns = [turn for turns in corpus.dialogues for turn in turns if 1 < len(turn) < 200]
            rows += [(language, turn, 0) for turn in random.Random(20).sample(turns, min(most, len(turns)))]
    return learn, judge


def fit(rows: list[tuple[str, str, int]], more: list[tuple[str, str, int]], decay: float = 3e-3) -> Classifier:
    """Logistic regression by L-BFGS, either class weighing the same. `more` are ordinary turns: they share half the
    weight of what is fit, so that the own lines that only look unfit are not lost among them."""
    from scipy.optimize import minimize
    from scipy.sparse import csr_matrix

    own, rows = len(rows), rows + more
    found = [features(text) for _, text, _ in rows]
    ends = np.cumsum([0, *map(len, found)])
    scale = np.concatenate([np.full(len(f), 1 / np.sqrt(max(1, len(f)))) for f in found])
    matrix = csr_matrix((scale, np.concatenate(found), ends), shape=(len(rows), PLACES))
    unfit = np.array([label for _, _, label in rows], float)
    group = np.where(unfit == 1, 0, np.where(np.arange(len(rows)) < own, 1, 2))
    share = (0.5, 0.25, 0.25) if more else (0.5, 0.5, 0.0)
    weight = np.array([share[g] / max(1, (group == g).sum()) for g in range(3)])[group]

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        logits = matrix @ w[:-1] + w[-1]
        error = weight * (1 / (1 + np.exp(-logits)) - unfit)
        value = weight @ (np.logaddexp(0, logits) - unfit * logits) + decay / 2 * (w[:-1] @ w[:-1]) / 100
        return value, np.append(matrix.T @ error + decay / 100 * w[:-1], error.sum())

    best = minimize(loss, np.zeros(PLACES + 1), jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    return Classifier(best[:-1].astype(np.float32), float(best[-1]))


def figures(scores: list[float], labels: list[int], threshold: float) -> tuple[float, float, float]:
    """Share of the unfit that is found, share of the fit that is found by mistake, area under the curve."""
    unfit = [score for score, label in zip(scores, labels, strict=True) if label]
    fit_ = [score for score, label in zip(scores, labels, strict=True) if not label]
    area = float(np.mean([[(u > f) + 0.5 * (u == f) for f in fit_] for u in unfit]))
    return float(np.mean([s >= threshold for s in unfit])), float(np.mean([s >= threshold for s in fit_])), area


def cross_validate(
    rows: list[tuple[str, str, int]], more: list[tuple[str, str, int]], folds: int, seed: int
) -> list[float]:
    """The score of each row by a classifier that has not seen it."""
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    scores = [0.0] * len(rows)
    for fold in range(folds):
        held = set(order[fold::folds])
        trained = fit([row for n, row in enumerate(rows) if n not in held], more)
        for n in held:
            scores[n] = trained(rows[n][1])
    return scores


def main() -> None:
    """The command line of this module."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--folds", type=int, default=10)
    ask.add_argument("--turns", type=int, default=2000, help="ordinary turns of each corpus")
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--to", type=Path, default=WEIGHTS)
    given = ask.parse_args()
    rows, (more, judge) = read_lines(), ordinary(given.turns)
    print(
        f"{len(rows)} own lines, {given.folds}-fold; {len(more)} ordinary turns learnt from, {len(judge)} judged on\n"
    )
    scores = cross_validate(rows, more, given.folds, given.seed)
    trained = fit(rows, more)
    plain = [(language, trained(text)) for language, text, _ in judge]
    print("| language | threshold | unfit found | lines that look like it | ordinary turns | area under the curve |")
    print("|---|---|---|---|---|---|")
    for language in ("en", "zh"):
        own = [n for n, row in enumerate(rows) if row[0] == language]
        others = [score for each, score in plain if each == language]
        for threshold in (0.3, 0.5, 0.7, 0.9):
            found, taken, area = figures([scores[n] for n in own], [rows[n][2] for n in own], threshold)
            wrong = sum(score >= threshold for score in others) / max(1, len(others))
            print(f"| {language} | {threshold} | {found:.0%} | {taken:.0%} | {wrong:.1%} | {area:.2f} |")
    np.savez_compressed(given.to, weights=trained.weights.astype(np.float16), bias=np.float32(trained.bias))
    print(f"\n{given.to.name}: {given.to.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
