"""The computing network on the map: hubs, origins of work, and the links between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import geopandas as gpd
import numpy as np
import shapely

from gis.bilingual import Text
from gis.schemas import Field
from maps.map_layer import MapLayer
from maps.map_phrases import PHRASES
from maps.styles import LayerStyle, Variant
from siting.citation import Citation
from siting.compute_network import WGS84, certainty_of
from siting.network_settings import ComputeHub, NetworkSettings, WorkloadClass, WorkOrigin
from siting.network_words import HUB_KIND_WORDS, LINK_VERDICT_WORDS, listed
from siting.tables import citation_text
from siting.types import NetworkPlan, StudyResult

_ORIGIN = Text(zh="需求地", en="origin of work")
_NONE = Text(zh="无", en="none")

_MAGENTA = "#d01c8b"
"""Stands out from the scores of parcels, which run from yellow over green to blue."""
MOST_LINKS = 30
"""Of more links those without work appear only as one zooms in."""
_NEAR_ZOOM = 6.5

LINKS = LayerStyle(group="network", order=192, variant_column="use", variants=(
    Variant(title=Text(zh="选定承接业务", en="work assigned"), values=("assigned",), colour=_MAGENTA, width_px=3.2),
    Variant(title=Text(zh="可承接，未选定", en="may take work, not chosen"), values=("may_take",), colour=_MAGENTA,
            width_px=1.8, dash=(7, 4)),
    Variant(title=Text(zh="不可承接", en="may take none"), colour="#6b6b6b", width_px=1.2, dash=(2, 4))))
PLACES = LayerStyle(group="network", order=199, label_zoom=4, label_priority=75, variant_column="kind",
                    error_radius_column="error_radius_km", variants=(
    Variant(title=_ORIGIN, values=("origin",), colour="#ffffff", fill="#d55e00", radius_px=6.5, fill_opacity=1.0),
    Variant(title=HUB_KIND_WORDS["cluster"], values=("cluster",), colour="#ffffff", fill="#00563f", radius_px=7,
            shape="double_square", fill_opacity=1.0),
    Variant(title=HUB_KIND_WORDS["core_hub"], values=("core_hub",), colour="#ffffff", fill="#00563f", radius_px=6.5,
            shape="square", fill_opacity=1.0),
    Variant(title=HUB_KIND_WORDS["city_hub"], values=("city_hub",), colour="#ffffff", fill="#009e73", radius_px=6,
            shape="triangle", fill_opacity=1.0),
    Variant(title=HUB_KIND_WORDS["partner"], colour="#ffffff", fill="#009e73", radius_px=7, shape="diamond",
            fill_opacity=1.0)))


def _number(name: str, zh: str, en: str, unit: str = "") -> Field:
    return Field(name=name, title=Text(zh=zh, en=en), kind="number", unit=unit)


def _said(name: str, zh: str, en: str) -> Field:
    return Field(name=name, title=Text(zh=zh, en=en))


_CLAUSE = Field(name="clause", title=PHRASES["clause"])
LINK_FIELDS = (
    _number("distance_km", "大地线长度", "geodesic length", "km"),
    _number("distance_error_km", "位置误差 ±", "off by ±", "km"),
    _number("latency_low_ms", "单向时延：良好路由", "one way, good route", "ms"),
    _number("latency_ms", "单向时延：通常路由", "one way, usual route", "ms"),
    _number("latency_high_ms", "单向时延：较差路由", "one way, poor route", "ms"),
    _said("assigned", "选定承接", "takes"), _said("may_take", "可承接", "may take"),
    _said("good_route_only", "仅良好路由可承接", "on a good route alone"))
PLACE_FIELDS = (
    _said("kind_word", "类型", "kind"), _said("region", "枢纽区域", "hub region"),
    _number("renewable_level", "可再生能源等级（1–5，判断值）", "renewable level (1-5, a judgement)"),
    _said("works", "业务（优先者在前）", "work, the first first"), _CLAUSE,
    _number("error_radius_km", "位置误差 ±", "off by ±", "km"), _said("source", "位置来源", "source of the position"))


def network_layers(result: StudyResult) -> Iterator[MapLayer]:
    """Give links and places of the computing network.

    They are hidden at first where they lead far out of the study area, so that the first view stays what it is.
    """
    plan, network = result.network_plan, result.pack.network
    if plan is None or network is None:
        return
    places = _places(result, network)
    is_near = _is_near(result, places)
    if len(plan.links):
        style = replace(LINKS, is_shown=is_near, variants=_variants(len(plan.links)))
        told = (*LINK_FIELDS, *(Field(name=_column(w), title=w.title) for w in network.workloads), _CLAUSE)
        yield MapLayer(name="network_links", title=PHRASES["network_links"], style=style,
                       frame=_links(result, plan, network), fields=told)
    yield MapLayer(name="network_places", title=PHRASES["network_places"], style=replace(PLACES, is_shown=is_near),
                   frame=places, fields=PLACE_FIELDS)


def _variants(n_links: int) -> tuple[Variant, ...]:
    """Return the looks of links; of many, those that carry no work are left to the closer view."""
    if n_links <= MOST_LINKS:
        return LINKS.variants
    near = PHRASES["zoom_in"]
    return LINKS.variants[0], *(replace(v, min_zoom=_NEAR_ZOOM, title=Text(
        zh=f"{v.title.zh}（{near.zh}）", en=f"{v.title.en} ({near.en})")) for v in LINKS.variants[1:])


def _is_near(result: StudyResult, places: gpd.GeoDataFrame) -> bool:
    """Tell whether all places lie in the study area's box, or beyond it by less than half its size."""
    area = gpd.GeoSeries([result.city_layers.area_of_interest], crs=result.city_layers.metric_crs).to_crs(WGS84)
    west, south, east, north = area.total_bounds
    x, y = places.geometry.x.to_numpy(), places.geometry.y.to_numpy()
    return bool((np.abs(x - (west + east) / 2) <= east - west).all()
                and (np.abs(y - (south + north) / 2) <= north - south).all())


def _links(result: StudyResult, plan: NetworkPlan, network: NetworkSettings) -> gpd.GeoDataFrame:
    origins, hubs = {o.origin_id: o for o in network.origins}, {h.hub_id: h for h in network.hubs}
    works = {w.workload_id: w.title for w in network.workloads}
    frame = plan.links
    said = plan.assignments.set_index(["workload_id", "origin_id", "hub_id"])[["verdict", "reasons_zh", "reasons_en"]]
    verdicts = {key: Text(zh=f"{LINK_VERDICT_WORDS[v].zh}：{zh}", en=f"{LINK_VERDICT_WORDS[v].en}: {en}")
                for key, v, zh, en in said.itertuples(name=None)}
    ends = list(zip(frame["origin_id"], frame["hub_id"], strict=True))

    def titles(column: str, otherwise: Text | None = _NONE) -> list[Text | None]:
        return [listed(works[key] for key in cell.split()) if cell else otherwise for cell in frame[column]]

    return frame.round({"distance_km": 0, "latency_low_ms": 2, "latency_ms": 2, "latency_high_ms": 2}).assign(
        name=[Text(zh=f"{origins[o].title.zh} → {hubs[h].title.zh}", en=f"{origins[o].title.en} to {hubs[h].title.en}")
              for o, h in ends],
        use=np.where(frame["workloads_assigned"] != "", "assigned", np.where(frame["workloads"] != "", "may_take", "")),
        assigned=titles("workloads_assigned"), may_take=titles("workloads"),
        good_route_only=titles("workloads_low", None),
        clause=[_clause(result, hubs[key].clause) for key in frame["hub_id"]],
        **{_column(w): [verdicts.get((w.workload_id, *pair)) for pair in ends] for w in network.workloads})


def _column(work: WorkloadClass) -> str:
    """Name the column of what is said of a kind of work; no column of a link begins so."""
    return f"work:{work.workload_id}"


def _clause(result: StudyResult, cited: Citation) -> Text:
    return Text(zh=citation_text(result.pack, cited, "zh"), en=citation_text(result.pack, cited, "en"))


def _places(result: StudyResult, network: NetworkSettings) -> gpd.GeoDataFrame:
    nouns: Sequence[ComputeHub | WorkOrigin] = (*network.hubs, *network.origins)
    rows = [_hub(n, network) if isinstance(n, ComputeHub) else {"kind": "origin", "kind_word": _ORIGIN} for n in nouns]
    works = {w.workload_id: w.title for w in network.workloads}
    common = [{"name": n.title, "error_radius_km": n.error_radius_km, "source": n.source,
               "clause": _clause(result, n.clause if isinstance(n, ComputeHub) else n.citation),
               "works": listed(works[key] for key in n.workloads) if n.workloads else None,
               "certainty": certainty_of(n), "geometry": shapely.Point(n.lon, n.lat)} for n in nouns]
    columns = ["name", "kind", "kind_word", "region", "renewable_level", "works", "clause", "error_radius_km", "source",
               "certainty", "geometry"]
    return gpd.GeoDataFrame([{**a, **b} for a, b in zip(common, rows, strict=True)], columns=columns,
                            geometry="geometry", crs=WGS84)


def _hub(hub: ComputeHub, network: NetworkSettings) -> dict[str, object]:
    regions = {r.region_id: r.title for r in network.regions}
    return {"kind": hub.kind, "kind_word": HUB_KIND_WORDS[hub.kind], "renewable_level": hub.renewable_level,
            "region": regions.get(hub.region_id, _NONE) if network.regions else None}
