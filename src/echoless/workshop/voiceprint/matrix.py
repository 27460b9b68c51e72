"""The similarity matrix of a comparison: as a table, as JSON, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from echoless.ears.voiceprint import VoiceprintError
from echoless.workshop.voiceprint.voices import Known, match


def labels(rows: Sequence[Known]) -> list[str]:
    """Short names, told apart where two are alike."""
    short = [Path(row.name).stem if Path(row.name).suffix.lower() == ".wav" else row.name for row in rows]
    return [
        name if short.count(name) == 1 else f"{Path(row.name).parent.name}/{name}"
        for name, row in zip(short, rows, strict=True)
    ]


def as_json(rows: Sequence[Known]) -> dict[str, Any]:
    """Two rows: `similarity` and `same`. More: `names` and the list of `pairs`."""
    if len(rows) == 2:
        found = match(*rows)
        return {
            "similarity": round(found.similarity, 4),
            "same": found.same,
            "threshold": round(found.threshold, 3),
            "seconds": [round(row.seconds, 2) for row in rows],
        }
    pairs = []
    for (i, one), (j, other) in combinations(enumerate(rows), 2):
        found = match(one, other)
        pairs.append({"a": i, "b": j, "similarity": round(found.similarity, 4), "same": found.same})
    return {"names": [row.name for row in rows], "pairs": pairs}


def as_table(rows: Sequence[Known]) -> Table:
    """Similarities; those of one person are bold."""
    names = labels(rows)
    table = Table("", *[str(n) for n in range(1, len(rows) + 1)], box=None, pad_edge=False)
    for number, (name, row) in enumerate(zip(names, rows, strict=True), 1):
        cells = []
        for other in rows:
            found = match(row, other)
            cells.append(
                "·" if other is row else f"[bold]{found.similarity:.2f}[/]" if found.same else f"{found.similarity:.2f}"
            )
        table.add_row(f"{number} {name}", *cells)
    return table


def verdict(rows: Sequence[Known]) -> str:
    """One line for two rows, else who goes with whom."""
    names = labels(rows)
    if len(rows) == 2:
        found = match(*rows)
        word = "the same voice" if found.same else "different voices"
        return f"{word}: similarity {found.similarity:.3f}, {found.threshold:.3f} or more is the same"
    groups = _groups(rows)
    return "; ".join(" = ".join(names[at] for at in group) for group in groups) + (
        f": {len(groups)} voices" if len(groups) > 1 else ": one voice"
    )


def _groups(rows: Sequence[Known]) -> list[list[int]]:
    """Rows of one voice: the two nearest groups are joined as long as their pairs pass on average (average linkage)."""
    over = np.array([[found.similarity - found.threshold for found in (match(a, b) for b in rows)] for a in rows])
    groups = [[at] for at in range(len(rows))]
    while len(groups) > 1:
        margins = {
            (i, j): float(over[np.ix_(groups[i], groups[j])].mean()) for i, j in combinations(range(len(groups)), 2)
        }
        (i, j), best = max(margins.items(), key=lambda item: item[1])
        if best < 0:
            break
        joined = sorted(groups[i] + groups[j])
        groups = [group for at, group in enumerate(groups) if at not in (i, j)] + [joined]
    return sorted(groups)


def draw(rows: Sequence[Known], path: Path) -> None:
    """The matrix as a PNG; pairs of one voice are framed. Raises VoiceprintError."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    count = len(rows)
    size = max(3.5, 1.6 + 0.42 * count)
    figure = Figure(figsize=(size + 1, size), layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    grid = np.array([[match(one, other).similarity for other in rows] for one in rows])
    image = panel.imshow(grid, vmin=0.4, vmax=1.0, cmap="viridis")
    for i, one in enumerate(rows):
        for j, other in enumerate(rows):
            if i != j and match(one, other).same:
                panel.add_patch(Rectangle((j - 0.48, i - 0.48), 0.96, 0.96, fill=False, edgecolor="red", linewidth=1.2))
            if count <= 16:
                panel.text(
                    j,
                    i,
                    f"{grid[i, j]:.2f}",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="white" if grid[i, j] < 0.8 else "black",
                )
    names = labels(rows)
    panel.set_xticks(range(count), names, rotation=90, fontsize=7)
    panel.set_yticks(range(count), names, fontsize=7)
    panel.set_title("similarity; red: the same voice", fontsize=9)
    figure.colorbar(image, shrink=0.7)
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(part, dpi=120, format="png")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise VoiceprintError(f"{path} cannot be written: {error.strerror}") from None
