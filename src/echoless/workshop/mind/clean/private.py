"""What identifies people in a text: found by its form, and by its check digits where it has some."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from dataclasses import dataclass

_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}\s?@\s?(?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,24}")
_IPV4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]*\d)")
_IPV6 = re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
_DIGITS = re.compile(r"(?<![A-Za-z0-9_.,])\+?\(?\d(?:[ \-–./()]{0,3}\d){6,21}\)?(?:[ \-]?[Xx])?(?![A-Za-z0-9_])")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_STREET_EN = re.compile(
    r"(?<![\w-])\d{1,5}[A-Za-z]?,? (?:(?:North|South|East|West|[NSEW])\.? )?(?:[A-Z][a-z'’]+ ){1,3}"
    r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Square|Sq|Terrace|Way|Close|Crescent)\b\.?"
)
_STREET_DE = re.compile(r"(?<!\w)[A-ZÄÖÜ][a-zäöüß-]+(?:straße|strasse|str\.|weg|platz|allee|gasse) \d{1,4}[a-z]?(?!\w)")
_STREET_ZH = re.compile(
    r"[\u4e00-\u9fff]{1,6}?[路街道巷弄]\s?\d{1,5}\s?(?:号|弄)(?:院)?(?:\s?\d{1,4}\s?(?:号楼|栋|幢|单元|室|层|楼|号))*"
    r"|\d{1,3}\s?(?:栋|幢|号楼)\s?\d{1,2}\s?单元\s?\d{2,4}\s?室?"
)
_HANDLE = re.compile(
    r"(?i)(?:(?:微信|wechat|wx|qq|telegram|skype|line)\s?(?:号|id)?\s?(?:是|is|[:：])\s?)([A-Za-z0-9_.-]{5,24})"
)
_KEY = re.compile(r"(?i)(?:password|passwort|密码|pin)\s?(?:is|ist|是|[:：])\s?(\S{4,40})")

STANDS_IN = {
    "e-mail": "name@example.com",
    "phone": "000 0000 0000",
    "card": "0000 0000 0000 0000",
    "id": "000000000000000000",
    "bank account": "XX00 0000 0000 0000",
    "ip address": "192.0.2.1",
    "address": "1 Example Street",
    "address zh": "示例路1号",
    "handle": "somebody",
    "password": "********",
}
"""What stands in each place afterwards: forms that nobody has."""


@dataclass(frozen=True, slots=True)
class Private:
    """From character `start` to `end` a text holds a `kind` of STANDS_IN."""

    kind: str
    start: int
    end: int


def find(text: str) -> list[Private]:
    """Everything private in `text`, in order, nothing twice. Names are not told by their form: see `names`."""
    if (
        not any(c.isdigit() for c in text)
        and "@" not in text
        and ":" not in text
        and "是" not in text
        and "is" not in text
    ):
        return []
    found = [Private("e-mail", *match.span()) for match in _EMAIL.finditer(text)]
    found += [Private("bank account", *match.span()) for match in _IBAN.finditer(text) if _iban(match.group())]
    found += [
        Private("ip address", *m.span()) for form in (_IPV4, _IPV6) for m in form.finditer(text) if _ip(m.group())
    ]
    found += [Private(kind, *match.span()) for match in _DIGITS.finditer(text) if (kind := number(match.group()))]
    found += [Private("address", *match.span()) for form in (_STREET_EN, _STREET_DE) for match in form.finditer(text)]
    found += [Private("address zh", *match.span()) for match in _STREET_ZH.finditer(text)]
    found += [Private("handle", *m.span(1)) for m in _HANDLE.finditer(text) if not m[1].isalpha() or m[1].islower()]
    found += [Private("password", *match.span(1)) for match in _KEY.finditer(text) if not match[1].isalpha()]
    kept: list[Private] = []
    for each in sorted(found, key=lambda one: (one.start, -one.end)):
        stands_in = text[each.start : each.end] == STANDS_IN[each.kind]
        if not stands_in and (not kept or each.start >= kept[-1].end):
            kept.append(each)
    return kept


def mask(text: str) -> tuple[str, Counter[str]]:
    """The text with a stand-in for everything private, and how many of each kind there were."""
    found = find(text)
    for each in reversed(found):
        text = text[: each.start] + STANDS_IN[each.kind] + text[each.end :]
    return text, Counter(each.kind.removesuffix(" zh") for each in found)


def shade(text: str) -> str:
    """For a report: the form of it, not what it says."""
    return "".join(c if n == 0 or not c.isalnum() else "•" for n, c in enumerate(text))


def number(text: str) -> str:
    """What a row of digits is: `id`, `card`, `phone`; empty for none of them (a year, a price, a score)."""
    bare = re.sub(r"[^\dXx]", "", text)
    digits = bare.rstrip("Xx")
    if len(set(digits)) == 1:
        return ""
    if len(bare) == 18 and chinese_id(bare):
        return "id"
    if re.fullmatch(r"\d{3}-\d{2}-\d{4}", text.strip()) and text[:3] not in ("000", "666") and text[0] != "9":
        return "id"
    if len(bare) != len(digits):
        return ""
    if 13 <= len(digits) <= 19 and luhn(digits) and digits[0] in "23456":
        return "card"
    return "phone" if phone(text.strip(), digits) else ""


def phone(text: str, digits: str) -> bool:
    """Whether it is written as telephone numbers are. Rows without any sign of one are not, but for Chinese mobiles."""
    if re.fullmatch(r"(?:\+?86)?1[3-9]\d{9}", digits if not text.startswith("+") else f"+{digits}"):
        return True
    if text.startswith(("+", "00")):
        return 8 <= len(digits) <= 15
    if re.fullmatch(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}[./-]\d{1,2}[./-]\d{1,2}.*", text):
        return False  # a date
    if re.fullmatch(r"\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}", text):
        return True
    return bool(re.fullmatch(r"\(?0\d{1,5}\)?(?: ?[\-/.–] ?| )\d[\d \-/.]{5,12}", text)) and 8 <= len(digits) <= 13


def luhn(digits: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def chinese_id(text: str) -> bool:
    """The check character of an 18-character identity number (GB 11643-1999), and a day of birth that can be."""
    if not re.fullmatch(r"[1-8]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx]", text):
        return False
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(digit) * weight for digit, weight in zip(text[:17], weights, strict=True))
    return "10X98765432"[total % 11] == text[17].upper()


def _iban(text: str) -> bool:
    """The check digits of an account number (ISO 13616): the rest of 97 is 1."""
    bare = text.replace(" ", "")
    if not 15 <= len(bare) <= 34:
        return False
    return int("".join(str(int(c, 36)) for c in bare[4:] + bare[:4])) % 97 == 1


def _ip(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return len(text) > 6 and not (address.is_unspecified or address.is_loopback) and str(address) != "192.0.2.1"
