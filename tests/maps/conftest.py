"""A hand-made study of thirty-two parcels: a hole, a parcel in two parts, hostile names, excluded and unmeasured ones.

Everything lies on a grid of 1.5 km around 113.66 E, 34.76 N in EPSG:4547, so that a reader can work every
distance out by hand.
"""

from __future__ import annotations

from types import MappingProxyType

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely import MultiPolygon, Polygon, box
from shapely.geometry import LineString, Point

from gis.bilingual import Text
from layers.types import CityLayers, LayerProvenance, LayerSpec, Ledger
from siting.census import count_all
from siting.citation import Citation, Document
from siting.pack import (
    CityPack,
    Criterion,
    DevelopmentType,
    ExclusionRule,
    NamedPlace,
    PolicyZone,
    SiteClass,
    Unit,
    ZonePermission,
)
from siting.plan_settings import EdgeSettings, HostKind
from siting.types import EdgePlan, ExclusionTable, SiteScores, Study, StudyResult

CRS = "EPSG:4547"
WEST_M, SOUTH_M = 464_000.0, 3_845_000.0
STEP_M = 1_500.0
COLUMNS, ROWS = 8, 4

IMAGE_ATTACK = "<img src=x onerror=alert(1)>"
SCRIPT_ATTACK = "</script><script>alert(1)</script>"
TEMPLATE_ATTACK = "{{ 7*7 }}{% raw %}"
PLAN = "000"
CLAUSE = Citation(document=PLAN, heading="集约建设基本功能保障区",
                  quote="加强大型、超大型新建互联网数据中心项目管理，适度控制互联网数据中心规模", ids=("Z-3",))
CORE_CLAUSE = Citation(document=PLAN, heading="积极发展产业核心发展区",
                       quote="面向5G+工业互联网、车联网、远程医疗等应用场景，支持企业建设高质量边缘数据中心",
                       ids=("Z-8",))
ANNEX = Citation(document="GB50174-2017", heading="附录A", quote="", ids=())


def _frame(rows: list[dict[str, object]]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(rows, geometry="geometry", crs=CRS)


def _at(column: float, row: float) -> tuple[float, float]:
    return WEST_M + column * STEP_M, SOUTH_M + row * STEP_M


def parcel_geometries() -> list[Polygon | MultiPolygon]:
    """Thirty-two parcels in rows from the south-west; number 9 has a hole, number 18 two parts, the last is tiny."""
    shapes: list[Polygon | MultiPolygon] = []
    for i in range(COLUMNS * ROWS):
        x, y = _at(i % COLUMNS + 0.2, i // COLUMNS + 0.2)
        side = 350.0 + 25.0 * (i % 7)
        shapes.append(Polygon([(x, y), (x + side, y + 20), (x + side - 40, y + side), (x + 10, y + side * 0.8)]))
    x, y = _at(1.2, 1.2)
    shapes[9] = box(x, y, x + 700, y + 700).difference(box(x + 200, y + 200, x + 500, y + 500))
    x, y = _at(2.2, 2.2)
    shapes[18] = MultiPolygon([box(x, y, x + 250, y + 250), box(x + 500, y + 400, x + 800, y + 700)])
    x, y = _at(7.2, 3.2)
    shapes[31] = box(x, y, x + 20, y + 20)
    return shapes


def _candidates() -> gpd.GeoDataFrame:
    uses = ("industrial", "warehouse", "commercial", "vacant", "farmland")
    rows: list[dict[str, object]] = []
    for i, shape in enumerate(parcel_geometries()):
        east = i % COLUMNS >= COLUMNS // 2
        name = IMAGE_ATTACK if i == 9 else SCRIPT_ATTACK if i == 18 else f"P-{i:04d}"
        rows.append({
            "parcel_id": name, "land_use": uses[i % 5], "area_m2": shape.area, "compactness": 0.7,
            "unit_id": "" if i == 31 else "gaoxin" if east else "jinshui",
            "zone_id": "" if i == 31 else "core" if east else "guarantee",
            "district": TEMPLATE_ATTACK if east else "金水区", "certainty": "synthetic", "geometry": shape,
        })
    return _frame(rows)


def _units() -> gpd.GeoDataFrame:
    x0, y0 = _at(-0.5, -0.5)
    xm, y1 = _at(4, 4.5)
    x1, _ = _at(8.5, 0)
    return _frame([
        {"unit_id": "gaoxin", "name_zh": "高新区", "name_en": "Gaoxin", "zone_id": "core", "kind": "functional_zone",
         "area_km2": 1e-6 * (x1 - xm) * (y1 - y0), "certainty": "approximate", "geometry": box(xm, y0, x1, y1)},
        {"unit_id": "jinshui", "name_zh": "金水区", "name_en": "Jinshui", "zone_id": "guarantee", "kind": "district",
         "area_km2": 1e-6 * (xm - x0) * (y1 - y0), "certainty": "real", "geometry": box(x0, y0, xm, y1)},
    ])


def _point_layers() -> dict[str, gpd.GeoDataFrame]:
    def points(prefix: str, id_column: str, places: list[tuple[float, float]], **columns: list[object]
               ) -> gpd.GeoDataFrame:
        rows = [{id_column: f"{prefix}{i}", "name": f"{prefix}-{i}", "certainty": "synthetic",
                 **{key: values[i] for key, values in columns.items()}, "geometry": Point(*_at(*place))}
                for i, place in enumerate(places)]
        return _frame(rows)

    return {
        "substations": points("SUB", "substation_id", [(0.5, 3.6), (3.4, 0.6), (5.6, 2.6), (7.5, 0.9), (2.4, 1.8)],
                              voltage_kv=[500.0, 220.0, 110.0, 110.0, 35.0],
                              headroom_mva=[900.0, 120.5, float("nan"), 20.0, 4.0],
                              name=["官渡变", "220千伏柳林变", IMAGE_ATTACK, "石佛变", "庙李变"]),
        "telecom_rooms": points("ROOM", "room_id", [(1.6, 2.7), (6.6, 1.6)], operator=["中国联通", "中国移动"]),
        "base_stations": points("BS", "station_id", [(i * 0.55, (i * 7 % 9) * 0.45) for i in range(14)]),
        "data_centres": points("DC", "data_centre_id", [(4.6, 3.6), (6.1, 0.4)], name=["中原数据基地", "二长数据中心"],
                               error_radius_km=[1.0, float("nan")], confidence=["medium", "high"]),
        "demand": points("DEM", "demand_id", [(1.0, 1.0), (5.0, 1.0), (6.5, 3.0)], demand=[10.0, 5.0, 2.5]),
    }


def _line_layers() -> dict[str, gpd.GeoDataFrame]:
    def lines(prefix: str, id_column: str, ways: list[list[tuple[float, float]]], **columns: list[object]
              ) -> gpd.GeoDataFrame:
        return _frame([{id_column: f"{prefix}{i}", "name": f"{prefix}-{i}", "certainty": "synthetic",
                        **{key: values[i] for key, values in columns.items()},
                        "geometry": LineString([_at(*place) for place in way])} for i, way in enumerate(ways)])

    return {
        "roads": lines("R", "road_id", [[(-0.5, 1.05), (8.5, 1.05)], [(4.0, -0.5), (4.1, 4.5)], [(0, 3), (8, 2.05)]],
                       road_class=["motorway", "primary", "local"]),
        "fibre_routes": lines("F", "route_id", [[(-0.5, 2.1), (3, 2.0), (8.5, 2.3)], [(5.1, -0.5), (5.0, 4.5)]],
                              operator=["中国电信", "中国联通"]),
        "railways": lines("RW", "railway_id", [[(-0.5, 0.1), (8.5, 0.0)]]),
        "runways": lines("RWY", "runway_id", [[(6.1, 3.95), (8.1, 3.95)]], airport=["新郑机场"]),
    }


def _layers(parcels: gpd.GeoDataFrame) -> CityLayers:
    x0, y0 = _at(-0.5, -0.5)
    x1, y1 = _at(8.5, 4.5)
    xm = _at(4, 0)[0]
    districts = _frame([
        {"district_id": "410105", "name": "金水区", "certainty": "real", "geometry": box(x0, y0, xm, y1)},
        {"district_id": "410102", "name": TEMPLATE_ATTACK, "certainty": "real", "geometry": box(xm, y0, x1, y1)},
    ])
    water = _frame([{"water_id": "W0", "name": "东风渠", "kind": "river", "certainty": "real",
                     "geometry": LineString([_at(-0.5, 3.05), _at(3, 3.1), _at(8.5, 2.9)])},
                    {"water_id": "W1", "name": "龙湖", "kind": "lake", "certainty": "real",
                     "geometry": Point(*_at(3.6, 2.55)).buffer(350)}])
    hazards = _frame([{"hazard_id": "H0", "name": SCRIPT_ATTACK, "hazard_class": "petrol_station",
                       "certainty": "synthetic", "geometry": Point(*_at(6.9, 1.1))}])
    frames = {"districts": districts, "parcels": parcels, "water": water, "hazards": hazards,
              **_point_layers(), **_line_layers()}
    provenance = tuple(
        LayerProvenance(layer=name, source="boundaries" if name == "districts" else "demo",
                        certainty="real" if name in ("districts", "water") else "synthetic",
                        ledger=Ledger(read=len(frame), accepted=len(frame)),
                        attribution="天地图" if name == "districts" else "",
                        approval_number="GS(2024)0650" if name == "districts" else "",
                        note=Text(zh="演示数据", en="demonstration data") if name == "parcels" else None)
        for name, frame in frames.items())
    return CityLayers(CRS, MappingProxyType(frames), MappingProxyType({}), provenance, box(x0, y0, x1, y1),
                      ("zones", "faults", "dem", "flood_depth"))


def _site_class(class_id: str, zh: str, en: str, development_type: str, racks: float) -> SiteClass:
    return SiteClass(class_id=class_id, title=Text(zh=zh, en=en), development_type=development_type,
                     min_standard_racks=racks, it_load_kw=racks * 2.5, rack_density_kw=6.0, pue_max=1.3,
                     supply_voltage_kv=110.0, feed_radius_m=5000.0, min_plot_m2=racks * 10, gb50174_class="A",
                     citation=CLAUSE, pue_citation=CLAUSE)


def _criteria(class_id: str) -> tuple[Criterion, ...]:
    table = (("power_distance_m", 0.4, 5000.0, 0.0, "m", "MIN"), ("fibre_distance_m", 0.25, 3000.0, 0.0, "m", "MIN"),
             ("policy_fit", 0.2, 0.0, 1.0, "ratio", "MAX"), ("flood_depth_m", 0.15, 2.0, 0.0, "m", "MIN"))
    return tuple(Criterion(criterion_id=key, site_class=class_id, weight=weight, worst=worst, best=best, unit=unit,
                           objective=objective, citation=CLAUSE, assumed=key == "policy_fit")
                 for key, weight, worst, best, unit, objective in table)


RULES = (
    ExclusionRule(rule_id="POL-closed", title=Text(zh="政策不允许", en="closed by policy"), test="permission",
                  strictness="shall", unit="", citation=CLAUSE),
    ExclusionRule(rule_id="GB-A-railway", title=Text(zh="距铁路", en="distance to railway"), test="setback",
                  layer="railways", strictness="shall", limit=800.0, citation=ANNEX),
    ExclusionRule(rule_id="GB-A-petrol", title=Text(zh="距加油站", en="distance to petrol station"), test="setback",
                  layer="hazards", strictness="should", limit=400.0, citation=ANNEX, assumed=True,
                  note=Text(zh="两版标准不一", en="two editions differ")),
    ExclusionRule(rule_id="water-overlap", title=Text(zh="水面占比", en="share of water"), test="overlap",
                  layer="water", strictness="shall", limit=0.05, unit="share", citation=CLAUSE),
    ExclusionRule(rule_id="fault", title=Text(zh="距断裂", en="distance to fault"), test="setback", layer="faults",
                  strictness="shall", limit=500.0, citation=ANNEX),
)


def _pack() -> CityPack:
    closed = Text(zh="须经专项论证", en="after a special study")
    permissions = tuple(
        ZonePermission(zone_id=zone, development_type=kind, permission=verdict, citation=clause, condition=condition)
        for zone, kind, verdict, clause, condition in (
            ("core", "large_compute", "favoured", CORE_CLAUSE, None),
            ("core", "edge", "allowed", CORE_CLAUSE, None),
            ("guarantee", "large_compute", "controlled", CLAUSE, closed),
            ("guarantee", "edge", "allowed", CLAUSE, None)))
    return CityPack(
        city="zhengzhou", title=Text(zh="郑州市", en="Zhengzhou"), metric_crs=CRS, adcode="410100",
        standard_rack_kw=2.5, default_classes=("large", "edge"), grid_size_m=500.0,
        documents=(Document(document_id=PLAN, title=Text(zh="郑州市数据中心产业发展规划", en="Zhengzhou plan"),
                            status=Text(zh="草案，引用前须核对正式文本", en="draft; check before citing")),
                   Document(document_id="GB50174-2017", title=Text(zh="数据中心设计规范", en="Data centre design code"),
                            status=Text(zh="现行", en="in force"))),
        zones=(PolicyZone(zone_id="core", title=Text(zh="产业核心发展区", en="Core zone"),
                          role=Text(zh="集聚发展", en="growth"), citation=CORE_CLAUSE, colour="#2b83ba"),
               PolicyZone(zone_id="guarantee", title=Text(zh="基本功能保障区", en="Guarantee zone"),
                          role=Text(zh="低时延业务", en="low latency"), citation=CLAUSE, colour="#fdae61")),
        units=(Unit(unit_id="gaoxin", title=Text(zh="高新区", en="Gaoxin"), zone_id="core", kind="functional_zone",
                    citation=CORE_CLAUSE),
               Unit(unit_id="jinshui", title=Text(zh="金水区", en="Jinshui"), zone_id="guarantee", kind="district",
                    citation=CLAUSE)),
        development_types=(DevelopmentType(type_id="large_compute", title=Text(zh="大型计算", en="large compute")),
                           DevelopmentType(type_id="edge", title=Text(zh="边缘", en="edge"))),
        permissions=permissions,
        site_classes=(_site_class("large", "大型数据中心", "Large data centre", "large_compute", 3000.0),
                      _site_class("edge", "边缘数据中心", "Edge centre", "edge", 100.0)),
        rules=RULES, criteria=(*_criteria("large"), *_criteria("edge")), targets=(), retrofit_rules=(),
        places=(NamedPlace(place_id="base", title=Text(zh="中原数据基地", en="Zhongyuan base"), kind="data_centre",
                           lon=113.66, lat=34.8, error_radius_km=1.0, confidence="medium", source="plan"),),
        edge=EdgeSettings(n_facilities=2, service_radius_m=3000.0, feed_radius_m=3000.0, it_load_kw=250.0,
                          host_kinds=(HostKind(layer="substations", preference=1.0, citation=CLAUSE),),
                          citation=CORE_CLAUSE),
        layer_specs=(LayerSpec(name="parcels", source="demo", certainty="synthetic"),),
        notes=(Text(zh="规划文本为征求意见稿。", en="The plan is a draft."),))


def _scores(pack: CityPack, candidates: gpd.GeoDataFrame, class_id: str) -> SiteScores:
    n = len(candidates)
    site_class = pack.site_class(class_id)
    criteria = pack.criteria_for(class_id)
    index = np.arange(n)
    core = candidates["zone_id"].to_numpy() == "core"
    raw = np.column_stack([(index * 613) % 5200 + 37.25, (index * 331) % 3100 + 5.5, np.where(core, 1.0, 0.4),
                           np.full(n, np.nan)]).astype(float)
    raw[4, 0] = np.inf
    raw[5, 1] = np.nan
    worst, best = (np.array([getattr(c, key) for c in criteria]) for key in ("worst", "best"))
    normalised = np.clip((np.clip(raw, -1e9, 1e9) - worst) / (best - worst), 0, 1)
    weights = np.where(np.isnan(normalised), 0.0, [c.weight for c in criteria])
    coverage = weights.sum(axis=1)
    score = (np.nan_to_num(normalised) * weights / coverage[:, None]).sum(axis=1)
    measured = np.column_stack([np.full(n, np.nan), (index // COLUMNS) * STEP_M + 250.5, np.full(n, 900.0),
                                np.zeros(n), np.full(n, np.nan)])
    shortfall = np.column_stack([np.zeros(n), np.clip(1 - measured[:, 1] / 800.0, 0, 1), np.zeros(n), np.zeros(n),
                                 np.full(n, np.nan)])
    measured[22, 2], shortfall[22, 2] = 310.0, 0.225
    measured[[9, 18], 3], shortfall[[9, 18], 3] = 0.21, 0.21
    if class_id == "large":
        shortfall[[2, 10], 0] = 1.0
    exclusions = ExclusionTable(rules=RULES, measured=measured, shortfall=shortfall,
                                excludes=np.array([True, True, False, True, True]))
    order = np.argsort(-score, kind="stable")
    order = order[exclusions.eligible[order]]
    rank = np.zeros(n, dtype=np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    permissions = tuple(pack.permission(zone, site_class.development_type) if zone else None
                        for zone in candidates["zone_id"])
    return SiteScores(site_class=site_class, criteria=criteria, permissions=permissions, exclusions=exclusions, raw=raw,
                      score=score, rank=rank, data_coverage=coverage)


def _edge_plan(layers: CityLayers) -> EdgePlan:
    substations = layers.frame("substations")
    hosts = [("substations", "SUB2", IMAGE_ATTACK, Point(*_at(5.6, 2.6)), "core", "gaoxin"),
             ("telecom_rooms", "ROOM0", "ROOM-0", Point(*_at(1.6, 2.7)), "guarantee", "jinshui")]
    centres, feeds, circles = [], [], []
    for i, (kind, host_id, name, place, zone, unit) in enumerate(hosts):
        key = f"EC-{i + 1:02d}"
        near = substations.assign(distance_m=substations.distance(place)).nsmallest(2, "distance_m")
        row: dict[str, object] = {
            "edge_centre_id": key, "host_id": host_id, "host_kind": kind, "name": name, "zone_id": zone,
            "unit_id": unit, "demand_covered": 10.0 - 5 * i, "n_demand_covered": 2 - i, "it_load_kw": 250.0,
            "load_mva": 0.3947, "power_limit": "feed_a", "fibre_diversity": None if i else "shared",
            "fibre_shared_m": np.nan if i else 120.0, "stability": 1.0 - i / 4,
            "runner_up_id": None if i else "ROOM1", "runner_up_name": None if i else IMAGE_ATTACK,
            "runner_up_loss": np.nan if i else 0.12, "certainty": "synthetic", "geometry": place}
        for feed, station in zip("ab", near.itertuples(), strict=True):
            row |= {f"feed_{feed}_id": station.substation_id, f"feed_{feed}_distance_m": station.distance_m,
                    f"feed_{feed}_voltage_kv": station.voltage_kv}
            feeds.append({"edge_centre_id": key, "feed": feed.upper(), "substation_id": station.substation_id,
                          "voltage_kv": station.voltage_kv, "distance_m": station.distance_m,
                          "certainty": "synthetic", "geometry": LineString([place, station.geometry])})
        centres.append(row)
        circles.append({"edge_centre_id": key, "service_radius_m": 3000.0, "geometry": place.buffer(3000.0)})
    demand = layers.frame("demand").assign(covered=[True, True, False], edge_centre_id=["EC-02", "EC-01", None],
                                           distance_m=[2600.0, 2500.0, np.nan])
    return EdgePlan(edge_centres=_frame(centres), feed_lines=_frame(feeds), coverage=_frame(circles), demand=demand,
                    n_hosts=7, n_facilities=2, service_radius_m=3000.0, demand_total=17.5, demand_covered=15.0,
                    solver_status="optimal", optimality_gap=0.0, curve=pd.DataFrame({
                        "n_facilities": [1, 2, 3], "demand_covered": [10.0, 15.0, 15.0],
                        "share": [0.5714, 0.8571, 0.8571], "gain": [10.0, 5.0, 0.0], "optimality_gap": [0.0, 0.0, 0.0],
                        "host_ids": ["SUB2", "SUB2 ROOM0", "SUB2 ROOM0 ROOM1"]}))


def build_small_result() -> StudyResult:
    """Make the study anew; frames may be changed by the caller."""
    pack = _pack()
    candidates = _candidates()
    layers = _layers(candidates[["parcel_id", "land_use", "certainty", "geometry"]].copy())
    scores = tuple(_scores(pack, candidates, key) for key in ("large", "edge"))
    return StudyResult(
        study=Study(name="small", city="zhengzhou", n_top=5), pack=pack, city_layers=layers, units=_units(),
        candidates=candidates, scores=scores, census=count_all(candidates, scores), edge_plan=_edge_plan(layers),
        facts=(Text(zh="全市时延差异小于 0.5 毫秒。", en="Latency differs by under 0.5 ms."),),
        timings_s=MappingProxyType({"score": 0.1}))


@pytest.fixture
def small_result() -> StudyResult:
    """Give a fresh copy of the small study."""
    return build_small_result()
