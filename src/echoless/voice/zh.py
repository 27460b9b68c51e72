"""How Mandarin is read aloud: numbers, dates, times, money, units, telephone numbers, mixed with English."""

from __future__ import annotations

import re

from echoless.voice.markup import links
from echoless.voice.rewriting import Draft, Rule

_DIGITS = "零一二三四五六七八九"
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_UNITS = {
    "km/h": "公里每小时", "m/s": "米每秒", "km²": "平方公里", "m²": "平方米", "km": "公里", "cm": "厘米",
    "mm": "毫米", "m": "米", "kg": "公斤", "mg": "毫克", "g": "克", "ml": "毫升", "mL": "毫升", "L": "升",
    "ms": "毫秒", "s": "秒", "min": "分钟", "h": "小时", "GB": "G B", "MB": "兆", "TB": "T B", "GHz": "吉赫",
    "MHz": "兆赫", "kHz": "千赫", "Hz": "赫兹", "kW": "千瓦", "W": "瓦", "V": "伏", "°C": "摄氏度",
    "℃": "摄氏度", "°F": "华氏度", "°": "度", "dB": "分贝", "kcal": "千卡",
}  # fmt: skip
_COINS = {
    "$": "美元", "US$": "美元", "€": "欧元", "£": "英镑", "¥": "元", "￥": "元", "HK$": "港元",
}  # fmt: skip
_SYMBOLS = {
    "&": "和", "+": "加", "=": "等于", "×": "乘", "÷": "除以", "→": "到", "≈": "约等于", "≤": "小于等于",
    "≥": "大于等于", "±": "正负", "@": "at", "½": "二分之一", "¼": "四分之一", "%": "百分号", "℃": "摄氏度",
}  # fmt: skip
# Measure words before which 2 is said 两.
_MEASURES = (
    "个位只条张本次天年岁块件种家名座辆台杯瓶碗口双对套层棵头匹支把份篇首句段遍回场门间所颗粒片群组周星小"
    "分秒米公斤升元点倍千万亿百夜"
)


def digits(text: str, telephone: bool = False) -> str:
    """One by one; on the telephone 1 is 幺."""
    said = "".join(_DIGITS[int(character)] for character in text if character.isascii() and character.isdigit())
    return said.replace("一", "幺") if telephone else said


def _below_ten_thousand(number: int) -> str:
    said, zero = "", False
    for place, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // place % 10
        if digit:
            said += ("零" if zero and said else "") + ("两" if digit == 2 and place >= 1000 else _DIGITS[digit]) + name
            zero = False
        else:
            zero = True
    return said


def integer(number: int) -> str:
    """A whole number below 10^16 in words: 十五, 一百零五, 两万三千."""
    if number == 0:
        return "零"
    said, groups = "", []
    while number:
        number, group = divmod(number, 10_000)
        groups.append(group)
    for power in range(len(groups) - 1, -1, -1):
        group = groups[power]
        if not group:
            continue
        if said and group < 1000:
            said += "零"
        part = "两" if group == 2 and power else _below_ten_thousand(group)
        said += part + ("", "万", "亿", "万亿")[power]
    return said.removeprefix("一") if said.startswith("一十") else said


def cardinal(text: str, measured: bool = False) -> str:
    """A number as written (1,234.5) in words; `measured` where a measure word follows, so that 2 is 两."""
    whole, _, decimals = text.replace(",", "").partition(".")
    if len(whole) > 15 or (len(whole) > 1 and whole[0] == "0"):
        said = digits(whole)
    elif measured and whole == "2" and not decimals:
        said = "两"
    else:
        said = integer(int(whole or 0))
    return f"{said}点{digits(decimals)}" if decimals else said


def _alternatives(words: object) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))  # type: ignore[call-overload]


_WIDE = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff05\uff0b\uff1d\uff20\uff0e(?=\\d)]")
_DATE = re.compile(r"(?<!\d)(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})[日号]?(?!\d)")
_YEAR = re.compile(r"(?<!\d)(\d{4}|\d{2})(?=年(?!前|后|来|间|以|级|龄))")
_YEAR_RANGE = re.compile(r"(?<!\d)(\d{4})\s?[-–~至到]\s?(\d{4})(?=年)")
_TIME = re.compile(r"(?<![\d:])([01]?\d|2[0-4])[:：]([0-5]\d)(?:[:：]([0-5]\d))?(?![\d:])")
_RATIO = re.compile(r"(?<=\d)\s?[:：]\s?(?=\d)")
_MOBILE = re.compile(r"(?<!\d)(?:\+?86[ -]?)?1[3-9]\d(?:[ -]?\d{4}){2}(?!\d)")
_LANDLINE = re.compile(r"(?<![\d.])(?:0\d{2,3}[- ]\d{7,8}|400-?\d{3}-?\d{4})(?!\d)")
_HOTLINE = re.compile(r"(?<=[打拨叫])(1\d{2,4})(?!\d)|(?<!\d)(110|119|120|122|12345|12306|10086)(?=[电热急报])")
_PERCENT = re.compile(rf"(?P<minus>[-−])?(?P<n>{_NUMBER})\s?[%％]")
_MONEY = re.compile(rf"(?P<sign>{_alternatives(_COINS)})\s?(?P<n>{_NUMBER})(?P<scale>[万亿百千]*)")
_UNIT = re.compile(
    rf"(?<![A-Za-z\d.])(?P<minus>[-−])?(?P<n>{_NUMBER})\s?(?P<unit>{_alternatives(_UNITS)})(?![A-Za-z²/])"
)
_RANGE = re.compile(
    rf"(?<![A-Za-z\d.-])((?:{_NUMBER})(?:\s?(?:{_alternatives(_UNITS)}|[%％]))?)\s?[-–—~～]\s?(?={_NUMBER})(?!\d+[-–]\d)"
)
_FRACTION = re.compile(r"(?<![\d/.])(\d{1,4})/(\d{1,4})(?![\d/])")
_VERSION = re.compile(r"(?<![\d.])\d+(?:\.\d+){2,}(?![\d])")
_LETTER_NUMBER = re.compile(r"(?<=[A-Za-z])[- ]?(?=\d)|(?<=\d)(?=[A-Za-z])")
_SERIAL = re.compile(r"(?<![\d.,])\d{9,}(?![\d.,])|(?<=[号码编]码)[是为:：]?\s?\d+|(?<=密码是)\d+|(?<=密码)\d+")
_ROOM = re.compile(r"(?<!\d)\d{3,4}(?=[室房]|号房|教室|路公交|次列车|航班)")
_MINUS = re.compile(r"(?<![\w\u4e00-\u9fff])[-−](?=\d)|(?<=[\u4e00-\u9fff])[-−](?=\d)")
_MINUS_BETWEEN = re.compile(r"(?<=\d)\s[-−]\s(?=\d)")
_LEFT = re.compile(rf"(?P<before>第)?(?P<n>{_NUMBER})(?P<gap>\s?)(?P<after>[\u4e00-\u9fff])?")
_SYMBOL = re.compile(rf"\s*({_alternatives(_SYMBOLS)})\s*")


def narrow(draft: Draft) -> None:
    """Full-width digits, letters and signs as ordinary ones."""
    draft.replace(_WIDE, lambda m: chr(ord(m.group()) - 0xFEE0) if ord(m.group()) > 0xFF00 else None)


def _date(match: re.Match[str]) -> str | None:
    month, day = int(match[2]), int(match[3])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    return f"{digits(match[1])}年{integer(month)}月{integer(day)}日"


def dates(draft: Draft) -> None:
    draft.replace(_DATE, _date)
    draft.replace(_YEAR_RANGE, lambda m: f"{digits(m[1])}到{digits(m[2])}")
    draft.replace(_YEAR, lambda m: digits(m[1]) if len(m[1]) == 4 else None)


def _clock(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    said = ("两" if hour == 2 else integer(hour)) + "点"
    if minute:
        said += ("零" if minute < 10 else "") + integer(minute) + "分"
    return said + (f"{integer(int(match[3]))}秒" if match[3] else "")


def times(draft: Draft) -> None:
    draft.replace(_TIME, _clock)
    draft.replace(_RATIO, "比")


def telephones(draft: Draft) -> None:
    for pattern in (_MOBILE, _LANDLINE, _HOTLINE):
        draft.replace(
            pattern, lambda m: "，".join(digits(group, telephone=True) for group in re.findall(r"\d+", m.group()))
        )
    draft.replace(_SERIAL, lambda m: re.sub(r"\d+", lambda n: digits(n.group()), m.group()))
    draft.replace(_ROOM, lambda m: digits(m.group(), telephone=True))


def _minus(match: re.Match[str]) -> str:
    return "负" if match["minus"] else ""


def quantities(draft: Draft) -> None:
    draft.replace(_RANGE, r"\1到")
    draft.replace(_PERCENT, lambda m: f"{'负' if m['minus'] else ''}百分之{cardinal(m['n'])}")
    draft.replace(_MONEY, lambda m: f"{cardinal(m['n'], True)}{m['scale']}{_COINS[m['sign']]}")

    def degrees(match: re.Match[str]) -> str:
        below = "零下" if match["minus"] and "度" in _UNITS[match["unit"]] else _minus(match)
        return f"{below}{cardinal(match['n'], True)}{_UNITS[match['unit']]}"

    draft.replace(_UNIT, degrees)


def _left(match: re.Match[str]) -> str:
    after = match["after"] or ""
    measured = not match["before"] and bool(after) and after in _MEASURES
    gap = "" if after else match["gap"]
    return f"{match['before'] or ''}{cardinal(match['n'], measured)}{gap}{after}"


def numbers(draft: Draft) -> None:
    draft.replace(_VERSION, lambda m: "点".join(cardinal(part) for part in m.group().split(".")))
    draft.replace(_FRACTION, lambda m: f"{integer(int(m[2]))}分之{integer(int(m[1]))}" if int(m[2]) else None)
    draft.replace(_MINUS_BETWEEN, "减")
    draft.replace(_MINUS, "负")
    draft.replace(_LETTER_NUMBER, " ")
    draft.replace(_LEFT, _left)


def symbols(draft: Draft) -> None:
    draft.replace(_SYMBOL, lambda m: _SYMBOLS[m[1]])


RULES: tuple[Rule, ...] = (narrow, links("点", "at"), dates, telephones, times, quantities, numbers, symbols)
