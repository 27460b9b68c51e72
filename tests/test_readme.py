"""README.zh.md says what README.md says: the same commands, code, pictures, figures and order of headings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ENGLISH, CHINESE = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh.md"))


def blocks(text: str) -> list[str]:
    """Commands, drawings and code."""
    return re.findall(r"(?:^    [^\n]*\n)+|```(?:.|\n)*?```", text, re.MULTILINE)


def spans(text: str) -> list[str]:
    """What stands in backticks outside of blocks, in any order: languages put words in different places."""
    for block in blocks(text):
        text = text.replace(block, "")
    return sorted(re.findall(r"`([^`\n]+)`", text))


def figures(text: str) -> list[str]:
    """Numbers with a decimal point, percentages and amounts, in any order."""
    return sorted(re.findall(r"\d+\.\d+|\d+ (?:GB|MB|dB)", text))


@pytest.mark.parametrize("part", [blocks, spans, figures])
def test_both_say_the_same(part: object) -> None:
    assert part(CHINESE) == part(ENGLISH)  # type: ignore[operator]


def test_the_headings_stand_in_the_same_order_and_the_pictures_too() -> None:
    for pattern in (r"^(#+) ", r"!\[[^]]*\]\(([^)]+)\)"):
        assert re.findall(pattern, CHINESE, re.MULTILINE) == re.findall(pattern, ENGLISH, re.MULTILINE)


def test_each_leads_to_the_other_and_every_page_is_there() -> None:
    assert "(README.zh.md)" in ENGLISH
    assert "(README.md)" in CHINESE
    for text in (ENGLISH, CHINESE):
        assert all((ROOT / page).exists() for page in re.findall(r"\]\(([^)#:]+)\)", text))
