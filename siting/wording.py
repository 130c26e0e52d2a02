"""What a reader calls the codes of the tables, and how a quantity is written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pyproj import CRS
from pyproj.exceptions import CRSError

from gis.bilingual import Language, Text
from layers.types import LayerSpec

PERMISSION_WORDS: Mapping[str, Text] = MappingProxyType({
    "favoured": Text(zh="鼓励", en="favoured"),
    "allowed": Text(zh="允许", en="allowed"),
    "controlled": Text(zh="控制", en="controlled"),
    "closed": Text(zh="禁止", en="closed"),
})
"""What policy says."""

CERTAINTY_WORDS: Mapping[str, Text] = MappingProxyType({
    "real": Text(zh="实测", en="real"),
    "approximate": Text(zh="近似", en="approximate"),
    "assumed": Text(zh="假定", en="assumed"),
    "synthetic": Text(zh="合成", en="synthetic"),
})
"""How far a feature may be trusted."""

LAND_USE_WORDS: Mapping[str, Text] = MappingProxyType({
    "industrial": Text(zh="工业用地", en="industrial"),
    "warehouse": Text(zh="仓储用地", en="warehouse"),
    "utility": Text(zh="公用设施用地", en="utility"),
    "research": Text(zh="科研用地", en="research"),
    "commercial": Text(zh="商业用地", en="commercial"),
    "residential": Text(zh="居住用地", en="residential"),
    "public_service": Text(zh="公共服务用地", en="public service"),
    "transport": Text(zh="交通用地", en="transport"),
    "green": Text(zh="绿地", en="green"),
    "farmland": Text(zh="耕地", en="farmland"),
    "basic_farmland": Text(zh="永久基本农田", en="basic farmland"),
    "water": Text(zh="水域", en="water"),
    "vacant": Text(zh="空闲地", en="vacant"),
})
"""Land uses."""

@dataclass(frozen=True, slots=True)
class Noun:
    """What a reader calls the things that are scored."""

    one: Text
    many: Text
    """The same in Chinese."""
    area_unit: Text
    """In which their areas are told."""
    area_unit_m2: float

    def fill(self, text: str, language: Language) -> str:
        """Put the noun into a phrase that says ``{one}``, ``{One}``, ``{many}``, ``{Many}`` or ``{area_unit}``."""
        if "{" not in text:
            return text
        text = text.replace("{area_unit}", self.area_unit.to(language))
        one, many = self.one.to(language), self.many.to(language)
        for key, said in (("one", one), ("many", many)):
            text = text.replace(f"{{{key}}}", said).replace(f"{{{key.title()}}}", said[:1].upper() + said[1:])
        return text


def _noun(zh: str, one: str, many: str) -> Noun:
    return Noun(Text(zh=zh, en=one), Text(zh=zh, en=many), Text(zh="公顷", en="ha"), 1e4)


def _wide_noun(zh: str, one: str, many: str) -> Noun:
    return Noun(Text(zh=zh, en=one), Text(zh=zh, en=many), Text(zh="平方公里", en="km²"), 1e6)


CANDIDATE_NOUNS: Mapping[str, Noun] = MappingProxyType({
    "parcels": _noun("地块", "parcel", "parcels"),
    "grid": _noun("网格", "cell", "cells"),
    "blocks": _noun("街块", "block", "blocks"),
    "districts": _wide_noun("区县", "county", "counties"),
    "prefectures": _wide_noun("市州", "prefecture", "prefectures"),
})
"""Candidates by kind; ``prefectures`` are districts of the level of cities."""


def candidate_noun(kind: str, layer_specs: Iterable[LayerSpec] = ()) -> Noun:
    """Return what the candidates of a run are called.

    Parameters
    ----------
    kind
        What is scored (``siting.pack.CandidateKind``).
    layer_specs
        Of the run: the source of the districts says at which level they are.
    """
    are_cities = any(s.name == "districts" and s.option("level", "") == "city" for s in layer_specs)
    return CANDIDATE_NOUNS["prefectures" if kind == "districts" and are_cities else kind]


KIND_WORDS: Mapping[str, Text] = MappingProxyType({
    "functional_zone": Text(zh="功能区", en="functional zone"),
    "district": Text(zh="行政区", en="district"),
})
"""Kinds of units."""

_UNIT_WORDS: Mapping[str, Text] = MappingProxyType({
    "m2": Text(zh="m²", en="m²"),
    "count": Text(zh="个", en=""),
    "level": Text(zh="级", en=""),
    "weight": Text(zh="", en=""),
    "ratio": Text(zh="", en=""),
    "routes": Text(zh="条", en="routes"),
    "roads": Text(zh="条", en="roads"),
})

_DIGITS: Mapping[str, int] = MappingProxyType({
    "m": 1, "m2": 1, "km": 3, "ms": 3, "kV": 1, "MVA": 2, "MW": 2, "kW": 1, "s": 1, "count": 6, "level": 6,
})
"""Decimals kept in tables; the scores' six elsewhere."""


def word(words: Mapping[str, Text], code: str, language: Language) -> str:
    """Return the reader's word for ``code``, or the code itself where there is none."""
    return words[code].to(language) if code in words else code


def crs_label(metric_crs: str) -> Text:
    """Return what a reader calls the metric CRS of a run: its code where it has one, and what kind of plane it is.

    What is no CRS is returned as it stands.
    """
    try:
        crs = CRS.from_user_input(metric_crs)
    except CRSError:
        return Text(zh=metric_crs, en=metric_crs)
    code = ":".join(crs.to_authority() or ())
    operation = crs.coordinate_operation
    if operation is not None and operation.method_name == "Albers Equal Area":
        values = {p.name: p.value for p in operation.params}
        meridian, first, second = (f"{values[name]:g}°" for name in (
            "Longitude of false origin", "Latitude of 1st standard parallel", "Latitude of 2nd standard parallel"))
        plane = Text(zh=f"等积圆锥投影，中央经线 {meridian}，标准纬线 {first}、{second}",
                     en=f"equal-area conic, meridian {meridian}, standard parallels {first} and {second}")
    elif crs.name.startswith("CGCS2000 / 3-degree"):
        plane = Text(zh="CGCS2000 高斯—克吕格三度带", en="CGCS2000, 3-degree Gauss-Krueger")
    else:
        plane = Text(zh=crs.name, en=crs.name)
    return Text(zh=f"{code}（{plane.zh}）", en=f"{code} ({plane.en})") if code else plane


def decimals(unit: str) -> int:
    """Return the decimals that tables keep of a quantity in ``unit``."""
    return _DIGITS.get(unit, 6)


def unit_word(unit: str, language: Language) -> str:
    """Return the unit as it is printed (``m2`` as m²)."""
    # An empty word is meant here: "level" goes without a unit in English.
    known = _UNIT_WORDS.get(unit)
    return unit if known is None else known.zh if language == "zh" else known.en


def number(value: float, places: int) -> str:
    """Write a number with thousands separators and at most ``places`` decimals, without trailing zeros."""
    text = f"{value:,.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


AREA_IN_KM2_M2 = 1e7
"""From here on, an area is told in square kilometres: it is a district and no plot."""


def quantity(value: float | None, unit: str, language: Language) -> str:
    """Write a value with its unit for a reader: shares as per cent, None as not measured, infinity as none found."""
    if value is None or math.isnan(value):
        return "未测" if language == "zh" else "not measured"
    if math.isinf(value):
        return "范围内没有" if language == "zh" else "none found"
    if unit in ("share", "%"):
        return f"{number(value * (100 if unit == 'share' else 1), 2)} %"
    if unit == "m2" and value >= AREA_IN_KM2_M2:
        value, unit = value / 1e6, "km²"
    places = {"m": 1, "m2": 0, "km²": 1, "km": 2}.get(unit, 3)
    return f"{number(value, places)} {unit_word(unit, language)}".strip()


def clause(document: str, heading: str, quote: str, language: Language) -> str:
    """Write a clause as it is cited in running text: document, heading and the sentence itself."""
    if language == "zh":
        place = f"《{document}》" + (f"“{heading}”" if heading else "")
        return f"{place}：“{quote}”" if quote else place
    place = document + (f", “{heading}”" if heading else "")
    return f"{place}: “{quote}”" if quote else place


_DATUM_PHRASES = (
    ("made in the metric CRS of the run; no datum to convert", "直接在计算坐标系中生成，无须换算"),
    ("; axes swapped (declared)", "；已按声明交换坐标轴"),
    (" (declared)", "（方案声明）"),
    (" (stated inline)", "（随规则写明）"),
    (" (known from ", "（来源已知："),
    (" (from ", "（由坐标系得知："),
    (" (OpenStreetMap)", "（OpenStreetMap）"),
)


def datum_word(note: str, language: Language) -> str:
    """Return how the datum of a layer is known, in the reader's language (the layers tell it in English)."""
    if language == "en":
        return note
    for english, chinese in _DATUM_PHRASES:
        note = note.replace(english, chinese)
    return note.replace(")", "）") if "（" in note else note
