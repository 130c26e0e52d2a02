"""The small study with plans: capacity under two readings, what becomes of its data centres, and a campus."""

from __future__ import annotations

import dataclasses
from datetime import date
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import pandas as pd
from shapely.geometry import LineString

from gis.bilingual import Text
from siting.citation import Citation
from siting.estate import EstatePlan, assess_estate
from siting.layout_settings import load_layout_settings
from siting.pack import RetrofitRule
from siting.plan_settings import CapacityReading
from siting.site_layout import lay_out_site
from siting.types import CapacityPlan, StudyResult

CLAUSE = Citation(document="000", heading="老旧数据中心", quote="对小散老旧数据中心实施整合改造 <b>", ids=("Z-30",))
STATION_ATTACK = "<img src=x onerror=alert(1)>"
CENTRE_ATTACK = "</script><script>alert(2)</script>"


def with_plans(result: StudyResult) -> StudyResult:
    """Return the study with plans; a data centre and a substation have hostile names."""
    layers, pack = result.city_layers, result.pack
    stock = layers.frame("data_centres").assign(
        name=["中原数据基地", CENTRE_ATTACK], pue=[1.8, np.nan], rack_count=[120.0, np.nan],
        development_type=["large_compute", None], error_radius_km=[np.nan, np.nan])
    layers = dataclasses.replace(layers, frames=MappingProxyType({**layers.frames, "data_centres": stock}))
    pack = dataclasses.replace(pack, retrofit_rules=(
        RetrofitRule(rule_id="close-high", title=Text(zh="高能耗关闭", en="close the wasteful"), pue_above=1.7,
                     action="close", deadline="2025-12-31", citation=CLAUSE),))
    estate = assess_estate(stock, result.units, pack, on=date(2026, 1, 1))
    plans = (_capacity(result, "available", "可用机架", "racks available", (3, 5, 9), None),
             _capacity(result, "in_use", "在用机架 <i>", "racks in use <i>", (13,), 2025))
    parcel = plans[0].sites.geometry.iloc[1]
    layout = lay_out_site(parcel, load_layout_settings(), it_load_kw=8000.0, crs=plans[0].sites.crs)
    return dataclasses.replace(result, city_layers=layers, pack=pack, capacity_plans=plans, estate_plan=estate,
                               site_layouts=((str(plans[0].sites["parcel_id"].iloc[1]), layout),))


def estate_of(result: StudyResult) -> EstatePlan:
    """Return the decisions of a study that has them."""
    assert result.estate_plan is not None
    return result.estate_plan


def _capacity(result: StudyResult, key: str, zh: str, en: str, rows: tuple[int, ...], year: int | None) -> CapacityPlan:
    chosen = result.candidates.iloc[list(rows)].reset_index(drop=True)
    it_load_mw = np.array([8.0, 24.0, 45.5])[:len(rows)]
    sites = chosen[["parcel_id", "unit_id", "zone_id", "area_m2", "certainty", "geometry"]].assign(
        capacity_site_id=[f"K{i:03d}" for i in range(1, len(rows) + 1)], rack_count=(it_load_mw * 1000 / 6).round(),
        it_load_mw=it_load_mw, facility_load_mw=1.3 * it_load_mw, load_mva=1.37 * it_load_mw, score=0.7,
        permission="favoured", n_substations=2, connection_km=3.25, year=year)
    feeds = _feeds(result, sites)
    total = float(it_load_mw.sum())
    return CapacityPlan(
        reading=CapacityReading(reading_id=key, title=Text(zh=zh, en=en), target_id="racks", rack_count=15000.0,
                                rack_kw=6.0, use_rate=0.7, citation=CLAUSE),
        sites=sites, feeds=feeds, by_unit=pd.DataFrame(), by_substation=pd.DataFrame(), target_mw=90.0,
        existing_mw=0.0, it_load_mw=total, facility_load_mw=1.3 * total, load_mva=1.37 * total,
        energy_gwh=8.0 * total, water_m3=1e6, renewable_gwh=0.0, bottlenecks=(), substation_prices=(),
        optimality_gap=0.0, solver_status="optimal", facts=(Text(zh="容量参数为假定。", en="Settings are assumed."),))


def _feeds(result: StudyResult, sites: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    stations = result.city_layers.frame("substations")
    rows = []
    for site in sites.itertuples():
        middle = site.geometry.representative_point()
        rows += [{"capacity_site_id": site.capacity_site_id, "substation_id": station.substation_id,
                  "voltage_kv": station.voltage_kv, "load_mva": site.load_mva,
                  "distance_m": middle.distance(station.geometry), "certainty": "synthetic",
                  "geometry": LineString([middle, station.geometry])}
                 for station in stations.iloc[[1, 2]].itertuples()]
    return gpd.GeoDataFrame(rows, geometry="geometry", crs=sites.crs)
