"""How English is read aloud: numbers, dates, times, money, units, abbreviations, symbols."""

from __future__ import annotations

import re

from num2words import num2words

from echoless.voice.markup import links
from echoless.voice.rewriting import Draft, Rule

_DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_MONTHS = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
]  # fmt: skip
_MONTH = "|".join([*_MONTHS, *(month[:3] + r"\." for month in _MONTHS), "Sept\\."])
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_ABBREVIATIONS = {
    "dr": "Doctor", "mr": "Mister", "mrs": "Missus", "ms": "Miz", "prof": "Professor", "st": "Saint",
    "jr": "Junior", "sr": "Senior", "e.g": "for example", "i.e": "that is", "etc": "et cetera", "vs": "versus",
    "approx": "approximately", "dept": "department", "est": "established", "fig": "figure", "gov": "governor",
    "gen": "General", "sen": "Senator", "capt": "Captain", "lt": "Lieutenant", "inc": "incorporated",
    "ltd": "limited", "corp": "corporation", "co": "company", "ave": "avenue", "blvd": "boulevard",
    "min": "minutes", "tel": "telephone", "ft": "feet", "oz": "ounces", "a.k.a": "also known as",
}  # fmt: skip
_ALWAYS = {
    "w/o": "without", "w/": "with ", "&": " and ", "aka": "also known as", "and/or": "and or",
}  # fmt: skip
_UNITS = {
    "km/h": "kilometre per hour", "mph": "mile per hour", "m/s": "metre per second", "km": "kilometre",
    "cm": "centimetre", "mm": "millimetre", "m": "metre", "mi": "mile", "ft": "foot", "in": "inch",
    "kg": "kilogram", "mg": "milligram", "g": "gram", "lb": "pound", "lbs": "pound", "oz": "ounce",
    "ml": "millilitre", "l": "litre", "L": "litre", "ms": "millisecond", "s": "second", "sec": "second",
    "min": "minute", "h": "hour", "hr": "hour", "hrs": "hour", "GB": "gigabyte", "MB": "megabyte",
    "KB": "kilobyte", "kB": "kilobyte", "TB": "terabyte", "GHz": "gigahertz", "MHz": "megahertz",
    "kHz": "kilohertz", "Hz": "hertz", "kW": "kilowatt", "kWh": "kilowatt hour", "W": "watt", "V": "volt",
    "mAh": "milliamp hour", "°C": "degree Celsius", "°F": "degree Fahrenheit", "°": "degree",
    "fps": "frame per second", "kcal": "kilocalorie", "cal": "calorie", "dB": "decibel",
    "km²": "square kilometre", "m²": "square metre", "sq ft": "square foot",
}  # fmt: skip
_PLURALS = {
    "foot": "feet", "inch": "inches", "hertz": "hertz", "megahertz": "megahertz", "kilohertz": "kilohertz",
    "gigahertz": "gigahertz",
}  # fmt: skip
_COINS = {
    "$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny"), "¥": ("yen", ""),
    "₹": ("rupee", "paisa"), "₩": ("won", ""),
}  # fmt: skip
_SCALES = {
    "k": "thousand", "m": "million", "bn": "billion", "b": "billion", "t": "trillion",
}  # fmt: skip
_SYMBOLS = {
    "%": " percent", "@": " at ", "+": " plus ", "=": " equals ", "×": " times ", "÷": " divided by ",
    "→": " to ", "≈": " about ", "≤": " at most ", "≥": " at least ", "±": " plus or minus ", "°": " degrees",
    "№": " number ", "½": " a half", "¼": " a quarter", "¾": " three quarters", "²": " squared", "³": " cubed",
    "™": "", "®": "", "©": " copyright ", "§": " section ", "µ": " micro", "π": " pi ", "∞": " infinity ",
    "√": " square root of ",
}  # fmt: skip


def _alternatives(words: object) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))  # type: ignore[call-overload]


def digits(text: str) -> str:
    """One by one."""
    return " ".join(_DIGITS[int(character)] for character in text if character.isascii() and character.isdigit())


def cardinal(text: str) -> str:
    """A number as written in English (1,234.50) in words; what is too long or begins with 0 digit by digit."""
    whole, _, decimals = text.replace(",", "").partition(".")
    if len(whole) > 12 or (len(whole) > 1 and whole[0] == "0"):
        said = digits(whole)
    else:
        said = num2words(int(whole or 0)).replace(",", "").replace("-", " ")
    return f"{said} point {digits(decimals)}" if decimals else said


def ordinal(text: str) -> str:
    """first, second, ..."""
    number = text.replace(",", "")
    return (
        num2words(int(number), to="ordinal").replace(",", "").replace("-", " ") if len(number) < 10 else digits(number)
    )


def year(text: str) -> str:
    """nineteen eighty four, two thousand six."""
    number = int(text)
    if 2000 <= number < 2010:
        return cardinal(text)
    return num2words(number, to="year").replace("-", " ").replace(",", "")


def plural(unit: str, count: str) -> str:
    """The unit after `count` of it."""
    if count in ("1", "one"):
        return unit
    head, _, tail = unit.partition(" per ")
    first, space, rest = head.partition(" ")
    counted = first if first in ("degree",) or not space else ""
    if counted:
        return f"{counted}s{space}{rest}" + (f" per {tail}" if tail else "")
    base = head if not space else rest
    many = _PLURALS.get(base, base + "s")
    return (f"{first} {many}" if space else many) + (f" per {tail}" if tail else "")


_ABBREVIATION = re.compile(rf"(?<![\w.])({_alternatives(_ABBREVIATIONS)})\.(?!\w)(?=(\s+\S)?)", re.IGNORECASE)
_ALWAYS_PATTERN = re.compile(r"(?<![\w.])(and/or(?!\w)|w/o(?!\w)|w/(?=\s?\w)|aka(?!\w))|\s*&\s*", re.IGNORECASE)
_NUMBER_SIGN = re.compile(r"\b(?:No\.|Nr\.)\s*(?=\d)|#(?=\d)")
_ISO_DATE = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_US_DATE = re.compile(r"\b(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})\b")
_MONTH_DAY = re.compile(rf"\b({_MONTH})\s+(\d{{1,2}})(?:st|nd|rd|th)?\b(?!\s*[:%]|,\d|\.\d)(?:(,?\s+)(\d{{4}})\b)?")
_DAY_MONTH = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?({_MONTH})(?!\w)(?:(,?\s+)(\d{{4}})\b)?")
_TIME = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?(?:\s*([ap])\.?m\b\.?)?(?!\d)", re.IGNORECASE)
_HOUR = re.compile(r"\b(1[0-2]|0?[1-9])\s*([ap])\.?m\b\.?", re.IGNORECASE)
_DECADE = re.compile(r"\b(1[1-9]|20)?(\d)0['’]?s\b")
_PHONE = re.compile(
    r"(?<![\w.,/-])(?:\+\d{1,3}[\s.-]?)?(?:\(\d{3}\)\s?|\d{3}[\s.-])\d{3}[\s.-]\d{4}(?![\w-])|\b\d{3}-\d{4}\b"
)
_MONEY = re.compile(
    rf"(?P<sign>[$€£¥₹₩])\s?(?P<n>{_NUMBER})(?:\s?(?P<scale>million|billion|trillion|thousand|bn|k|K|M|B|m|b)\b)?"
)
_CENTS = re.compile(r"\b(\d+)\s?¢")
_UNIT = re.compile(
    rf"(?<![\w.])(?P<minus>[-−])?(?P<n>{_NUMBER})(?P<gap>\s?)(?P<unit>{_alternatives(_UNITS)})(?![\w²/])"
)
_FEET = re.compile(r"\b(\d)['’′](\d{1,2})[\"”″]")
_ORDINAL = re.compile(r"\b(\d{1,3}(?:,\d{3})+|\d+)(?:st|nd|rd|th)\b")
_RANGE = re.compile(rf"(?<![\w.,/-])({_NUMBER})\s?[-–]\s?(?={_NUMBER})(?!\d+[-–]\d)")
_FRACTION = re.compile(r"(?<![\w/.])(?:(\d+)\s+)?(\d{1,2})/(\d{1,2})(?![\w/])")
_VERSION = re.compile(r"(?<![\w.])v?\d+(?:\.\d+){2,}(?!\w)")
_YEAR = re.compile(r"(?<![\w.,$€£/-])(1[1-9]\d\d|20\d\d)(?![\w%]|,\d|\.\d)")
_APPROXIMATELY = re.compile(r"(?<!\w)~\s?(?=\d)")
_MINUS = re.compile(r"(?<![\w)])[-−](?=\d)")
_MINUS_BETWEEN = re.compile(r"(?<=\d) ?− ?(?=\d)|(?<=\d) - (?=\d)")
_SLASH = re.compile(r"(?<=[A-Za-z])/(?=[A-Za-z])")
_TIMES = re.compile(r"(?<=\d)\s?[x*]\s?(?=\d)|(?<=\d)x\b")
_LEFT = re.compile(_NUMBER)
_GLUED = re.compile(r"(?<=[A-Za-z])-?(?=\d)|(?<=\d)(?=[A-Za-z])")
_SYMBOL = re.compile(rf"\s*({_alternatives(_SYMBOLS)})")


def _abbreviation(match: re.Match[str]) -> str | None:
    """The full word; the stop stays where the sentence ends with it."""
    word = match[1].lower()
    if word in ("min", "ft", "oz", "co", "est", "in") and not match[1][0].isupper() and word not in ("min", "ft", "oz"):
        return None
    if word == "st":
        before = match.string[: match.start()].rstrip()
        said = (
            "Street"
            if re.search(r"[A-Za-z]$", before) and not re.match(r"\s+[A-Z]", match.string[match.end() :])
            else "Saint"
        )
    else:
        said = _ABBREVIATIONS[word]
    return said + ("" if match[2] else ".")


def abbreviations(draft: Draft) -> None:
    draft.replace(_ABBREVIATION, _abbreviation)
    draft.replace(_ALWAYS_PATTERN, lambda m: _ALWAYS.get(m.group().strip().lower()))
    draft.replace(_NUMBER_SIGN, "number ")


def _month(name: str) -> str:
    return next(month for month in _MONTHS if month[:3] == name[:3])


def _dated(month: str, day: str, year_text: str | None) -> str | None:
    if not 1 <= int(day) <= 31:
        return None
    return f"{month} {ordinal(day)}" + (f", {year(year_text)}" if year_text else "")


def _numeric_date(match: re.Match[str]) -> str | None:
    month, day = (int(match[2]), match[3]) if len(match[1]) == 4 else (int(match[1]), match[2])
    when = match[1] if len(match[1]) == 4 else match[3]
    if month > 12 and len(match[1]) < 4:
        month, day = int(day), str(month)
    if not 1 <= month <= 12:
        return None
    return _dated(_MONTHS[month - 1], day, when if len(when) == 4 else f"20{when}")


def dates(draft: Draft) -> None:
    draft.replace(_ISO_DATE, _numeric_date)
    draft.replace(_US_DATE, _numeric_date)
    draft.replace(_MONTH_DAY, lambda m: _dated(_month(m[1]), m[2], m[4]))
    draft.replace(_DAY_MONTH, lambda m: _dated(_month(m[2]), m[1], m[4]))


def _clock(match: re.Match[str]) -> str:
    hour, minute, half = int(match[1]), int(match[2]), match[4]
    if minute:
        said = f"{cardinal(str(hour))} {'oh ' if minute < 10 else ''}{cardinal(str(minute))}"
    else:
        said = cardinal(str(hour)) + ("" if half else " o'clock" if 0 < hour <= 12 else " hundred hours")
    seconds = f" and {cardinal(str(int(match[3])))} seconds" if match[3] else ""
    return said + seconds + _half(match, half)


def _half(match: re.Match[str], half: str | None) -> str:
    """A M or P M, and the stop that ends the sentence with it."""
    ends = match.group().endswith(".") and not match.string[match.end() :].strip()
    return (f" {half.upper()} M" if half else "") + ("." if ends else "")


def times(draft: Draft) -> None:
    draft.replace(_TIME, _clock)
    draft.replace(_HOUR, lambda m: cardinal(str(int(m[1]))) + _half(m, m[2]))


def _money(match: re.Match[str]) -> str:
    coin, cent = _COINS[match["sign"]]
    number, scale = match["n"], match["scale"]
    if scale:
        return f"{cardinal(number)} {_SCALES.get(scale.lower(), scale)} {plural(coin, 'many')}"
    whole, _, decimals = number.partition(".")
    if len(decimals) == 2 and cent:
        cents = f"{cardinal(str(int(decimals)))} {'pence' if cent == 'penny' else plural(cent, str(int(decimals)))}"
        if whole == "0":
            return cents
        main = f"{cardinal(whole)} {plural(coin, whole)}"
        return f"{main} and {cents}" if int(decimals) else main
    return f"{cardinal(number)} {coin if coin in ('yen', 'won') else plural(coin, number)}"


def money(draft: Draft) -> None:
    draft.replace(_MONEY, _money)
    draft.replace(_CENTS, lambda m: f"{cardinal(m[1])} {plural('cent', m[1])}")


def _unit(match: re.Match[str]) -> str | None:
    unit = match["unit"]
    if unit == "in" and match["gap"]:  # 5 in the morning
        return None
    minus = "minus " if match["minus"] else ""
    return f"{minus}{cardinal(match['n'])} {plural(_UNITS[unit], match['n'])}"


def units(draft: Draft) -> None:
    draft.replace(_FEET, lambda m: f"{cardinal(m[1])} foot {cardinal(m[2])}")
    draft.replace(_RANGE, r"\1 to ")
    draft.replace(_UNIT, _unit)


def _fraction(match: re.Match[str]) -> str | None:
    top, bottom = int(match[2]), int(match[3])
    if not 0 < top < bottom:
        return None
    part = {2: "half", 4: "quarter"}.get(bottom) or ordinal(match[3])
    many = {"half": "halves"}.get(part, part + "s")
    said = f"{cardinal(match[2])} {part if top == 1 else many}"
    return f"{cardinal(match[1])} and {said}" if match[1] else said


def _decade(match: re.Match[str]) -> str:
    tens = "".join(["ten" if match[2] == "1" else cardinal(match[2] + "0")])
    tens = "hundreds" if match[2] == "0" else tens.removesuffix("y") + ("ies" if tens.endswith("y") else "s")
    return f"{cardinal(match[1])} {tens}" if match[1] else tens


def telephones(draft: Draft) -> None:
    draft.replace(_PHONE, lambda m: ", ".join(digits(group) for group in re.findall(r"\d+", m.group())))


def decades(draft: Draft) -> None:
    draft.replace(_DECADE, _decade)


def numbers(draft: Draft) -> None:
    draft.replace(_VERSION, lambda m: " point ".join(cardinal(part) for part in m.group().lstrip("v").split(".")))
    draft.replace(_FRACTION, _fraction)
    draft.replace(_ORDINAL, lambda m: ordinal(m[1]))
    draft.replace(_APPROXIMATELY, "about ")
    draft.replace(_TIMES, lambda m: " times ")
    draft.replace(_YEAR, lambda m: year(m[1]))
    draft.replace(_MINUS_BETWEEN, " minus ")
    draft.replace(_MINUS, "minus ")
    draft.replace(_GLUED, " ")
    draft.replace(_LEFT, lambda m: cardinal(m.group()))


def symbols(draft: Draft) -> None:
    draft.replace(_SLASH, " or ")
    draft.replace(_SYMBOL, lambda m: _SYMBOLS[m[1]])


RULES: tuple[Rule, ...] = (
    links(" dot ", " at "),
    abbreviations,
    telephones,
    dates,
    times,
    decades,
    money,
    units,
    numbers,
    symbols,
)
