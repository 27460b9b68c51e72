"""Draws a recorded call as the terminal showed it: python scripts/picture.py RECORD docs/talk.svg [SECONDS]

The captions are those of `echoless talk`, fed with the record's events up to that second.
"""

from __future__ import annotations

import io
import math
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI

from echoless.captions import Captions, picture
from echoless.recall import HOP, recall


def main(record: str, out: str, until: str = "inf") -> None:
    call, captions = recall(Path(record)), Captions()
    console = Console(record=True, width=92, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print("$ echoless talk", style="bold")
    last = min(call.seconds, float(until))
    for event in call.events:
        if event.t <= last:
            captions.feed(event)
            for each in captions.take_done():
                console.print(each.rendered())
    at = max(0, math.floor(last / HOP) - 1)
    levels = tuple(float(call.levels(track)[at : at + 1].max(initial=-100)) for track in ("mic", "speaker"))
    console.print(picture(captions, (levels[0], levels[1])))
    drawn = console.export_svg(title="echoless talk", theme=MONOKAI)
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)  # fonts from elsewhere: not in our docs
    Path(out).write_text(re.sub(r"<!--.*?-->\s*", "", drawn, flags=re.DOTALL), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
