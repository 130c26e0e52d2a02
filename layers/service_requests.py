"""What a request asks of a collection, checked: what is wrong with it is said in one sentence, and nothing is run."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shapely import Geometry

from gis.errors import UsageError
from layers.service_crs import CRS84, box
from layers.service_documents import LARGEST_OFFSET, LARGEST_PAGE, USUAL_PAGE
from layers.service_filters import Condition, FieldKind, equal_to, parse_filter

Parameters = Sequence[tuple[str, str]]
_PAGE = ("limit", "offset", "bbox", "bbox-crs", "crs", "datetime", "filter", "filter-lang", "f")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2}))?", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """One page of a collection."""

    limit: int
    offset: int
    crs: str
    """CRS of the answer."""
    area: Geometry | None
    """Features must meet it; longitude and latitude."""
    conditions: tuple[Condition, ...]


def page_request(parameters: Parameters, fields: Mapping[str, FieldKind], crs: Sequence[str]) -> PageRequest:
    """Read the parameters of a page.

    Parameters
    ----------
    parameters
        Names and values as they came.
    fields
        Fields of the collection; each may be a parameter too.
    crs
        CRSs offered.

    Raises
    ------
    UsageError
        A parameter is unknown, comes twice, or has a value that it cannot have.
    """
    given = _once(parameters, (*_PAGE, *fields))
    _check_moment(given.get("datetime", ""))
    if given.get("filter-lang", "cql2-text") != "cql2-text":
        raise UsageError("filter-lang must be cql2-text", "filter-lang 只能是 cql2-text")
    own = _crs(given, "bbox-crs", crs)
    area = box(_numbers(given["bbox"]), own) if "bbox" in given else None
    conditions = [equal_to(name, given[name], fields) for name in fields if name in given and name not in _PAGE]
    if "filter" in given:
        conditions.append(parse_filter(given["filter"], fields))
    return PageRequest(limit=min(_whole(given, "limit", 1, USUAL_PAGE), LARGEST_PAGE),
                       offset=_whole(given, "offset", 0, 0), crs=_crs(given, "crs", crs), area=area,
                       conditions=tuple(conditions))


def feature_crs(parameters: Parameters, crs: Sequence[str]) -> str:
    """Return the CRS that one feature is wanted in.

    Raises
    ------
    UsageError
        As for ``page_request``.
    """
    return _crs(_once(parameters, ("crs", "f")), "crs", crs)


def check_plain(parameters: Parameters) -> None:
    """Make sure that a request for a document asks for nothing but JSON.

    Raises
    ------
    UsageError
        It does.
    """
    _once(parameters, ("f",))


def has_control(text: str) -> bool:
    """Tell whether text holds control characters, which no value of a layer needs."""
    return any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text)


def _once(parameters: Parameters, known: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parameters:
        if name not in known:
            raise UsageError(f"unknown parameter {name[:40]!r}", f"未知参数 {name[:40]!r}")
        if name in found:
            raise UsageError(f"parameter {name} comes twice", f"参数 {name} 重复")
        if has_control(value):
            raise UsageError(f"parameter {name} holds control characters", f"参数 {name} 含有控制字符")
        found[name] = value
    if found.get("f", "json") not in ("json", "geojson"):
        raise UsageError("f must be json", "f 只能是 json")
    return found


def _whole(given: Mapping[str, str], name: str, least: int, usual: int) -> int:
    text = given.get(name)
    if text is None:
        return usual
    if not re.fullmatch(r"\d{1,16}", text, flags=re.ASCII) or not least <= int(text) <= LARGEST_OFFSET:
        raise UsageError(f"{name} must be a whole number from {least} on", f"{name} 必须是不小于 {least} 的整数")
    return int(text)


def _numbers(text: str) -> list[float]:
    parts = text.split(",")
    if len(parts) > 6 or not all(_NUMBER.fullmatch(part.strip()) for part in parts):
        raise UsageError("bbox must be numbers parted by commas", "bbox 必须是以逗号分隔的数值")
    return [float(part) for part in parts]


def _crs(given: Mapping[str, str], name: str, crs: Sequence[str]) -> str:
    wanted = given.get(name, CRS84)
    if wanted not in crs:
        raise UsageError(f"{name} is not offered; choose from: {', '.join(crs)}",
                         f"不支持该 {name}；可选：{'、'.join(crs)}")
    return wanted


def _check_moment(text: str) -> None:
    """Check a moment or an interval. No layer has a time of its own, so that every feature meets every time."""
    if not text:
        return
    ends = text.split("/")
    moments = [end for end in ends if end not in ("", "..")]
    try:
        if len(ends) > 2 or not moments or not all(_MOMENT.fullmatch(moment) for moment in moments):
            raise ValueError(text)
        times = [dt.datetime.fromisoformat(moment.upper().replace("Z", "+00:00")) for moment in moments]
        aware = [time if time.tzinfo else time.replace(tzinfo=dt.UTC) for time in times]
        if aware != sorted(aware):
            raise ValueError(text)
    except ValueError as error:
        raise UsageError("datetime must be a moment or an interval of RFC 3339 (2026-01-01T00:00:00Z/..)",
                         "datetime 必须是 RFC 3339 时刻或区间（2026-01-01T00:00:00Z/..）") from error
