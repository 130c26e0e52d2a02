"""How each layer looks on the map: colours that colour-blind readers can tell apart, symbols, order and group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from gis.bilingual import Text
from maps.report_layout import PART_COLOURS, PART_WORDS
from siting.estate import DECISION_WORDS

Shape = Literal["circle", "square", "double_square", "triangle", "diamond", "cross"]
Group = Literal["results", "policy", "power", "network", "transport", "constraints", "demand"]

GROUPS: Mapping[Group, Text] = MappingProxyType({
    "results": Text(zh="结果", en="Results"),
    "policy": Text(zh="政策与区划", en="Policy and districts"),
    "power": Text(zh="电力", en="Power"),
    "network": Text(zh="通信网络", en="Network"),
    "transport": Text(zh="交通", en="Transport"),
    "constraints": Text(zh="限制因素", en="Constraints"),
    "demand": Text(zh="需求与存量", en="Demand and stock"),
})
"""Headings of the layer list, in order."""

SCORE_RAMP = ("#fcfbd2", "#d3eeb6", "#93d5ba", "#4cb9c2", "#2890bd", "#2661a6", "#172f78")
"""Low to high: lightness falls all the way, so that the order survives any colour blindness and grey print."""


def darker(colour: str, share: float = 0.55) -> str:
    """Return a colour (``#rrggbb``) with ``share`` of its light: the rim of a small parcel."""
    return "#" + "".join(f"{round(int(colour[at:at + 2], 16) * share):02x}" for at in (1, 3, 5))


_SAME_AS_LAYER = Text(zh="", en="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The look of some features of a layer."""

    title: Text = _SAME_AS_LAYER
    """Line of the legend; empty for the layer's own name."""
    values: tuple[str, ...] = ()
    """Values of the layer's ``variant_column`` that it is for; empty (with ``at_least`` None) for the rest."""
    at_least: float | None = None
    """It is for values of the ``variant_column`` from here on."""
    colour: str
    """Line or symbol."""
    fill: str = ""
    """Inside of areas and symbols; empty for the colour itself."""
    fill_opacity: float = 0.85
    width_px: float = 1.5
    """Line, or outline of a symbol or area; 0 for none."""
    radius_px: float = 5.0
    """Symbol."""
    shape: Shape = "circle"
    """Symbol."""
    dash: tuple[float, ...] = ()
    """Dashes of lines, px."""
    min_zoom: float = 0.0
    """Not drawn below this zoom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerStyle:
    """The look of one layer."""

    group: Group
    """Where it stands in the layer list."""
    order: int
    """Drawn later where higher; below 100 under the parcels."""
    variants: tuple[Variant, ...]
    """First that matches is taken; the last one is for the rest."""
    variant_column: str = ""
    """Column that chooses the variant."""
    is_shown: bool = True
    """Shown when the page opens."""
    label_zoom: float | None = None
    """Names are written from this zoom on; None for never."""
    label_priority: int = 0
    """Which names win where they would overlap."""
    is_clickable: bool = True
    """A click tells of the feature."""
    error_radius_column: str = ""
    """Column with the position error in km, drawn as a circle."""
    wins_over_parcels: bool = False
    """A click tells of an area of it rather than of the parcel under it."""
    is_found: bool = True
    """Search finds its names."""


def _line(group: Group, order: int, colour: str, width_px: float, *dash: float, is_shown: bool = True,
          fill: str = "") -> LayerStyle:
    return LayerStyle(group=group, order=order, is_shown=is_shown,
                      variants=(Variant(colour=colour, width_px=width_px, dash=dash, fill=fill, fill_opacity=0.55),))


def _road(road_class: str, zh: str, en: str, colour: str, width_px: float, min_zoom: float) -> Variant:
    return Variant(title=Text(zh=zh, en=en), values=(road_class,), colour=colour, width_px=width_px,
                   min_zoom=min_zoom)


def _voltage(at_least: float | None, zh: str, en: str, colour: str, radius_px: float, shape: Shape,
             min_zoom: float = 0.0) -> Variant:
    return Variant(title=Text(zh=zh, en=en), at_least=at_least, colour="#ffffff", fill=colour, radius_px=radius_px,
                   shape=shape, fill_opacity=1.0, width_px=1.2, min_zoom=min_zoom)


_SUBSTATIONS = (
    _voltage(500, "500 kV 及以上", "500 kV and above", "#67001f", 8, "double_square"),
    _voltage(330, "330 kV", "330 kV", "#980043", 7, "square"),
    _voltage(220, "220 kV", "220 kV", "#c2185b", 6, "square"),
    _voltage(110, "110 kV", "110 kV", "#e8590c", 4.5, "circle", 9),
    _voltage(None, "35 kV 及以下", "35 kV and below", "#8d6e2f", 4, "triangle", 11),
)

_POWER_LINES = (
    Variant(title=Text(zh="500 kV 及以上", en="500 kV and above"), at_least=500, colour="#67001f", width_px=2.2),
    Variant(title=Text(zh="220–330 kV", en="220-330 kV"), at_least=220, colour="#c2185b", width_px=1.6),
    Variant(title=Text(zh="其他", en="other"), colour="#e8590c", width_px=1.1),
)

_ROADS = (
    _road("motorway", "高速公路", "motorway", "#d9a441", 2.6, 0),
    _road("trunk", "快速路", "trunk", "#dfb768", 2.1, 0),
    _road("primary", "主干路", "primary", "#c9bfa9", 1.6, 10),
    _road("secondary", "次干路", "secondary", "#d2cbbb", 1.2, 11.5),
    _road("tertiary", "支路", "tertiary", "#d8d3c8", 1.0, 12.5),
    Variant(title=Text(zh="其他道路", en="other roads"), colour="#dcd8cf", width_px=0.8, min_zoom=13),
)

LAYER_STYLES: Mapping[str, LayerStyle] = MappingProxyType({
    "water": _line("constraints", 10, "#8fbfdc", 1.3, fill="#b9d9ea"),
    "protected_land": _line("constraints", 14, "#5f9e6e", 1.2, 5, 3, fill="#bfe0c2"),
    "housing": LayerStyle(group="constraints", order=16, is_shown=False, variants=(
        Variant(colour="#b9a58c", fill="#d9cbb8", width_px=0.6, radius_px=2.5),)),
    "districts": LayerStyle(group="policy", order=40, label_zoom=9, label_priority=80, is_clickable=False, variants=(
        Variant(colour="#7a7a7a", width_px=1.1, dash=(7, 3, 2, 3), fill_opacity=0.0),)),
    "boundary_lines": LayerStyle(group="policy", order=41, is_clickable=False, is_found=False, variants=(
        Variant(colour="#4a4a4a", width_px=2.2, fill_opacity=0.0),)),
    "zones": LayerStyle(group="policy", order=42, is_shown=False, variants=(
        Variant(colour="#54278f", width_px=1.4, dash=(4, 3), fill_opacity=0.0),)),
    "roads": LayerStyle(group="transport", order=20, variants=_ROADS, variant_column="road_class", is_clickable=False),
    "railways": _line("transport", 24, "#6b6b6b", 1.6, 8, 5),
    "metro": LayerStyle(group="transport", order=26, is_shown=False, variants=(
        Variant(colour="#5c6bc0", width_px=1.8, radius_px=3, fill="#ffffff"),)),
    "runways": _line("transport", 28, "#4a4a4a", 4.5),
    "hubs": LayerStyle(group="transport", order=150, label_zoom=11, label_priority=40, variants=(
        Variant(colour="#ffffff", fill="#37474f", radius_px=6, shape="diamond"),)),
    "faults": _line("constraints", 120, "#b71c1c", 1.8, 10, 4, 2, 4),
    "hazards": LayerStyle(group="constraints", order=140, label_zoom=13, label_priority=20, variants=(
        Variant(colour="#b71c1c", fill="#f3b3a8", fill_opacity=0.6, radius_px=4.5, shape="cross", width_px=1.8),)),
    "power_lines": LayerStyle(group="power", order=124, variants=_POWER_LINES, variant_column="voltage_kv"),
    "substations": LayerStyle(group="power", order=180, variants=_SUBSTATIONS, variant_column="voltage_kv",
                              label_zoom=12.5, label_priority=50),
    "renewable_plants": LayerStyle(group="power", order=160, variants=(
        Variant(colour="#ffffff", fill="#2e7d32", radius_px=5.5, shape="triangle"),)),
    "fibre_routes": _line("network", 126, "#1b7f79", 1.4, 6, 2),
    "telecom_rooms": LayerStyle(group="network", order=170, is_shown=False, label_zoom=14, label_priority=20, variants=(
        Variant(colour="#ffffff", fill="#00796b", radius_px=4, shape="square", width_px=1),)),
    "base_stations": LayerStyle(group="network", order=130, is_shown=False, variants=(
        Variant(colour="#ffffff", fill="#4db6ac", radius_px=3.4, shape="triangle", width_px=0.6),)),
    "data_centres": LayerStyle(group="demand", order=190, label_zoom=11.5, label_priority=60,
                               error_radius_column="error_radius_km", variants=(
        Variant(colour="#ffffff", fill="#4527a0", radius_px=6, shape="diamond", fill_opacity=1.0),)),
    "demand": LayerStyle(group="demand", order=132, is_shown=False, variant_column="covered", variants=(
        Variant(title=Text(zh="未覆盖", en="not covered"), values=("False",), colour="#b35806", fill="#ffffff",
                radius_px=3.5, width_px=1.6, fill_opacity=0.9),
        Variant(title=Text(zh="已覆盖", en="covered"), colour="#ffffff", fill="#b35806", radius_px=3.5, width_px=0.8))),
    "buildings": LayerStyle(group="demand", order=134, is_shown=False, variants=(
        Variant(colour="#ffffff", fill="#795548", radius_px=4, shape="square", width_px=0.8),)),
    "reclaimed_water_plants": LayerStyle(group="constraints", order=162, is_shown=False, variants=(
        Variant(colour="#ffffff", fill="#0277bd", radius_px=5, shape="diamond"),)),
    "parcels": LayerStyle(group="policy", order=60, is_shown=False, variants=(
        Variant(colour="#9e9e9e", width_px=0.5, fill_opacity=0.0),)),
})
"""The layers of ``layers.schemas`` that are shapes."""

OTHER_LAYER = LayerStyle(group="constraints", order=128, is_shown=False, variants=(
    Variant(colour="#616161", fill="#bdbdbd", width_px=1.2, radius_px=4),))
"""A layer without a style of its own."""

FEED_LINES = LayerStyle(group="results", order=196, is_found=False, variant_column="feed", variants=(
    Variant(title=Text(zh="A 路供电", en="feed A"), values=("A",), colour="#c2185b", width_px=2.0),
    Variant(title=Text(zh="B 路供电", en="feed B"), colour="#c2185b", width_px=2.0, dash=(3, 5))))
CLUSTERS = LayerStyle(group="results", order=150, variant_column="is_chosen", label_zoom=4.0, label_priority=95,
                      variants=(
    Variant(title=Text(zh="入围集群", en="listed cluster"), values=("True",), colour="#c62828", fill_opacity=0.0,
            width_px=2.6),
    Variant(title=Text(zh="候补", en="runner-up"), colour="#c62828", fill_opacity=0.0, width_px=1.6, dash=(5, 4))))
COVERAGE = LayerStyle(group="results", order=90, is_shown=False, is_clickable=False, is_found=False, variants=(
    Variant(colour="#6a1b9a", fill="#ce93d8", fill_opacity=0.13, width_px=1.2, dash=(6, 4)),))


def _load(at_least: float | None, zh: str, en: str, radius_px: float) -> Variant:
    return Variant(title=Text(zh=zh, en=en), at_least=at_least, colour="#2b2600", fill="#f0e442", fill_opacity=0.9,
                   radius_px=radius_px, width_px=1.5)


CAPACITY_SITES = LayerStyle(group="results", order=198, variant_column="it_load_mw", label_zoom=12, label_priority=70,
                            variants=(
    _load(80, "80 MW 及以上", "80 MW and above", 17), _load(40, "40–80 MW", "40-80 MW", 13.5),
    _load(20, "20–40 MW", "20-40 MW", 10.5), _load(10, "10–20 MW", "10-20 MW", 8),
    _load(None, "10 MW 以下", "below 10 MW", 5.5)))
CAPACITY_FEEDS = LayerStyle(group="results", order=194, is_found=False, variants=(
    Variant(colour="#6b5d00", width_px=1.4, dash=(6, 3), min_zoom=10.5),))

COMPARED_EDGE = LayerStyle(group="results", order=197, variants=(
    Variant(colour="#ffffff", fill="#ad1457", radius_px=6, shape="square", width_px=1.5, fill_opacity=1.0),))
"""Edge centres where a page has no markers for them."""


def _decision(decision: str, fill: str, shape: Shape, radius_px: float = 6.5) -> Variant:
    return Variant(title=DECISION_WORDS[decision], values=(decision,), colour="#ffffff", fill=fill, shape=shape,
                   radius_px=radius_px, fill_opacity=1.0)


DECISIONS = LayerStyle(group="demand", order=190, label_zoom=11.5, label_priority=60, variant_column="decision",
                       error_radius_column="error_radius_km", variants=(
    _decision("keep", "#00684a", "circle"),
    _decision("retrofit", "#0072b2", "diamond", 7.5),
    _decision("migrate", "#b06c00", "triangle", 7),
    _decision("merge", "#a0447c", "square", 6),
    _decision("convert_to_edge", "#3f8fc2", "double_square", 7),
    _decision("close", "#b23c00", "cross", 7.5),
    Variant(title=DECISION_WORDS["undecided"], colour="#4527a0", fill="#ffffff", width_px=2.0,
            shape="diamond", radius_px=6.5, fill_opacity=1.0)))
"""Existing data centres: each decision has its own shape, for those who see no colour."""


CAMPUS_PARTS = LayerStyle(group="results", order=112, variant_column="kind", label_zoom=16.5, is_found=False,
                          wins_over_parcels=True, variants=(
    *(Variant(title=words, values=(kind,), colour="#444444", fill=PART_COLOURS[kind], fill_opacity=0.95, width_px=0.8,
              min_zoom=13.5) for kind, words in PART_WORDS.items()),
    Variant(colour="#444444", fill="#ffffff", width_px=0.8, min_zoom=13.5)))


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLook:
    """Badge of an edge centre by the kind of place that houses it."""

    title: Text
    glyph: Text
    colour: str


HOST_LOOKS: Mapping[str, HostLook] = MappingProxyType({
    "substations": HostLook(title=Text(zh="变电站", en="substation"), glyph=Text(zh="变", en="S"), colour="#ad1457"),
    "telecom_rooms": HostLook(title=Text(zh="通信机房", en="telecom room"), glyph=Text(zh="机", en="T"),
                              colour="#00695c"),
    "base_stations": HostLook(title=Text(zh="基站", en="base station"), glyph=Text(zh="基", en="B"), colour="#1565c0"),
    "buildings": HostLook(title=Text(zh="可再利用建筑", en="reusable building"), glyph=Text(zh="楼", en="R"),
                          colour="#6d4c41"),
    "data_centres": HostLook(title=Text(zh="现有数据中心", en="existing data centre"), glyph=Text(zh="数", en="D"),
                             colour="#4527a0"),
})
"""Edge hosts."""

OTHER_HOST = HostLook(title=Text(zh="其他宿主", en="other host"), glyph=Text(zh="边", en="E"), colour="#455a64")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonLook:
    """Look of the parcels that are excluded for one kind of reason."""

    key: str
    title: Text
    colour: str
    hatch_deg: int
    """Slope of the hatching, degrees; each kind has its own, for those who see no colour."""


REASON_LOOKS = (
    ReasonLook(key="policy", title=Text(zh="政策", en="policy"), colour="#8e7ba6", hatch_deg=45),
    ReasonLook(key="land", title=Text(zh="用地与面积", en="land use and size"), colour="#a8a29a", hatch_deg=135),
    ReasonLook(key="setback", title=Text(zh="安全退距", en="safety distance"), colour="#b98a72", hatch_deg=90),
    ReasonLook(key="flight", title=Text(zh="净空与航道", en="flight path"), colour="#6f8390", hatch_deg=0),
    ReasonLook(key="terrain", title=Text(zh="水面、洪涝与坡度", en="water, flooding and slope"), colour="#7fa3b8",
               hatch_deg=20),
    ReasonLook(key="protected", title=Text(zh="保护地", en="protected land"), colour="#84a584", hatch_deg=110),
)
"""Kinds of exclusion reasons."""

_TEST_REASONS = {"permission": "policy", "land_use": "land", "min_area": "land", "corridor": "flight",
                 "raster_above": "terrain", "slope_above": "terrain"}
_LAYER_REASONS = {"protected_land": "protected", "water": "terrain"}


def reason_of(test: str, layer: str) -> int:
    """Return the index in ``REASON_LOOKS`` of a rule's kind, from its test and the layer it looks at."""
    key = _TEST_REASONS.get(test) or _LAYER_REASONS.get(layer) or "setback"
    return next(i for i, look in enumerate(REASON_LOOKS) if look.key == key)


_STEPS = (0.01, 0.02, 0.025, 0.05, 0.1)


def score_breaks(low: float, high: float) -> list[float]:
    """Return the six scores between the seven colours: round numbers that span from ``low`` to ``high``."""
    n = len(SCORE_RAMP) - 1
    step = next((s for s in _STEPS if s * (n + 1) >= high - low), _STEPS[-1])
    first = round(round((low + high) / 2 / step - (n - 1) / 2) * step, 6)
    first = min(max(first, step), 1.0 - step * n)
    return [round(first + step * i, 6) for i in range(n)]
