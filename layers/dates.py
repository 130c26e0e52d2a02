"""Dates as tables hold them, turned into ISO 8601 text of the same precision."""

from __future__ import annotations

import datetime
import re
import unicodedata

_YEARS = range(1900, 2101)
_EXCEL_DAY_0 = datetime.date(1899, 12, 30)  # so that serial 61 is 1 March 1900, Excel's leap-year slip behind it
_SERIALS = range(18264, 73051)  # 1950 to 2099: a number that is neither a year nor written out as 20210403

_SPLIT = re.compile(r"(\d{4})(?:[-/.年](\d{1,2})(?:[-/.月](\d{1,2})日?|月)?|年)?")
_TOGETHER = re.compile(r"(\d{4})(\d{2})(\d{2})?")
_TIME = re.compile(r"[t ]\d{1,2}:\d{2}.*$")


def parse_date(value: object) -> str | None:
    """Return a cell as an ISO date of the precision that it has, or None.

    Parameters
    ----------
    value
        A date, a year, an Excel serial number (days since 1899-12-30), or text: ``"2021"``,
        ``"2021-04"``, ``"2021/4/3"``, ``"2021.4.3"``, ``"20210403"``, ``"2021年4月3日"``. A time of day is dropped.

    Returns
    -------
    str or None
        ``"2021"``, ``"2021-04"`` or ``"2021-04-03"``; None for nothing and for what is no date.
    """
    if isinstance(value, datetime.date):
        # A missing time stamp is a date whose text is "NaT".
        return value.isoformat()[:10] if value == value else None
    if isinstance(value, str):
        return _from_text(unicodedata.normalize("NFKC", value).strip().lower())
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return _from_text(str(int(number))) if number == number and abs(number) < 1e9 else None


def _from_text(text: str) -> str | None:
    plain = re.sub(r"\s", "", _TIME.sub("", text)).removesuffix(".0")
    if plain.isdecimal() and int(plain) in _SERIALS and len(plain) == 5:
        return (_EXCEL_DAY_0 + datetime.timedelta(days=int(plain))).isoformat()
    match = _SPLIT.fullmatch(plain) or _TOGETHER.fullmatch(plain)
    if match is None:
        return None
    parts = [int(part) for part in match.groups() if part]
    try:
        datetime.date(*(*parts, 1, 1)[:3])
    except ValueError:
        return None
    if parts[0] not in _YEARS:
        return None
    return "-".join(f"{part:04d}" if place == 0 else f"{part:02d}" for place, part in enumerate(parts))
