"""Which encoding a text is in."""

from __future__ import annotations

import codecs
import re

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
USUAL = (
    *("gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254"),
    *("cp1255", "cp1256", "cp1258", "cp874", "mac_roman"),
)
"""What text is in that is not UTF: the first that fits best, so that rare ones do not win by chance."""
_GB = re.compile(rb"[\xa1-\xf7][\xa1-\xfe]")
DAMAGED = 0.002
"""Text with fewer broken bytes than this share is UTF-8 that was damaged."""


def detect(head: bytes) -> str | None:
    """The name of the encoding of a text that begins so; None for what is no text."""
    for mark, name in MARKS:
        if head.startswith(mark):
            return name
    if b"\0" in head:
        return _wide(head)
    if _controls(head) > 0.02:
        return None
    if _is_utf8(head):
        return "utf-8"
    broken = head.decode("utf-8", "replace").count("\ufffd")
    if broken <= max(1, DAMAGED * len(head)) and len(head) > 200:
        return "utf-8"
    return "gb18030" if _is_simplified(head) else _guess(head)


def _is_simplified(head: bytes) -> bool:
    """Whether it is Chinese in GB2312 and its successors, which is told from a dozen characters: nearly all begin with
    the bytes B0 to D7 (the 3,755 common ones, in the order of pinyin); Korean in EUC-KR stops at C8."""
    cut = head[: head.rfind(b"\n") + 1] or head
    try:
        cut.decode("gb18030")
    except UnicodeDecodeError:
        return False
    high = sum(byte >= 0x80 for byte in cut)
    leads = [pair[0] for pair in _GB.findall(cut)]
    words = [lead for lead in leads if lead >= 0xA4]
    common = sum(0xB0 <= lead <= 0xD7 for lead in words)
    late = sum(0xC8 < lead <= 0xD7 for lead in words)
    return 2 * len(leads) >= 0.95 * high and common >= 0.85 * len(words) > 0 and late >= 0.15 * len(words)


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _controls(head: bytes) -> float:
    bad = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head[:65536])
    return bad / max(1, len(head[:65536]))


def _wide(head: bytes) -> str | None:
    """UTF-16 without a mark: its line ends and spaces say which way round."""
    even, odd = head[0::2], head[1::2]
    for name, high in (("utf-16-le", odd), ("utf-16-be", even)):
        if high.count(0) < max(1, 0.002 * len(high)):
            continue
        try:
            text = codecs.getincrementaldecoder(name)().decode(head)
        except UnicodeDecodeError:
            continue
        known = sum(c.isprintable() or c in "\r\n\t" for c in text)
        if known > 0.98 * len(text) and "\0" not in text:
            return name
    return None


def _guess(head: bytes) -> str | None:
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        return _by_trial(head)
    # A cut through a character at the end of the head must not speak against an encoding.
    cut = head[: head.rfind(b"\n") + 1] or head
    for isolation in (list(USUAL), None):
        best = from_bytes(cut, cp_isolation=isolation).best()
        if best is not None:
            return best.encoding
    return None


def _by_trial(head: bytes) -> str | None:
    """Without the library: what decodes, Chinese first."""
    cut = head[: head.rfind(b"\n") + 1] or head
    for name in ("gb18030", "big5", "cp1252"):
        try:
            cut.decode(name)
        except UnicodeDecodeError:
            continue
        return name
    return None
