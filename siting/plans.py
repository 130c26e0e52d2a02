"""What follows from the scores: edge centres, capacity, existing stock, campuses and work sent to hubs elsewhere.

Each plan is made where its data are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import geopandas as gpd
import numpy as np
import shapely

from gis.bilingual import Text
from gis.errors import DataError, InfeasibleError, LayerNotFoundError
from gis.progress import Progress, silent
from layers.types import CityLayers
from siting.capacity import capacity_settings, plan_capacity
from siting.compute_network import plan_network
from siting.edge import place_edge_centres, reserved_by
from siting.edge_hosts import edge_pue
from siting.estate import EstatePlan, assess_estate
from siting.layout_settings import LayoutSettings, load_layout_settings
from siting.pack import CityPack
from siting.site_layout import SiteLayout, lay_out_site
from siting.three_in_one import three_in_one_hosts
from siting.types import CapacityPlan, EdgePlan, NetworkPlan, SiteScores, Study

N_LAYOUTS = 3
"""Campuses that are laid out on their parcels in a run; ``suanzhi layout`` does any other."""

_STAYS = ("keep", "retrofit")
"""Decisions after which a data centre still counts towards the target."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Plans:
    """The plans of a run."""

    edge: EdgePlan | None = None
    estate: EstatePlan | None = None
    capacity: tuple[CapacityPlan, ...] = ()
    three_in_one: gpd.GeoDataFrame | None = None
    """Substations with what they lack to hold storage and a data centre as well."""
    layouts: tuple[tuple[str, SiteLayout], ...] = ()
    """Parcel id and the campus on it."""
    network: NetworkPlan | None = None
    facts: tuple[Text, ...] = ()
    """What the data of the run did not allow."""


def make_plans(candidates: gpd.GeoDataFrame, scores: Sequence[SiteScores], units: gpd.GeoDataFrame,
               city_layers: CityLayers, pack: CityPack, study: Study, classes: tuple[str, ...], *,
               progress: Progress = silent) -> Plans:
    """Make every plan that the pack, the study and the layers allow.

    Edge centres take their share of the substations first; existing stock that stays counts towards the target;
    the best campuses of the first capacity layout are laid out on their parcels.

    Raises
    ------
    InfeasibleError
        The edge plan has no answer.
    LayerNotFoundError
        The study asks for a number of edge centres, and what they need is not there.
    """
    edge = plan_edge(city_layers, units, pack, study, classes, progress)
    estate = plan_estate(city_layers, units, pack, study)
    capacity, facts = plan_capacities(candidates, scores, units, city_layers, pack, study, edge, estate, progress)
    layouts, untaken = lay_out_campuses(capacity[0], city_layers, pack) if capacity else ((), ())
    network = None if pack.network is None else plan_network(pack.network)
    return Plans(edge=edge, estate=estate, capacity=capacity, layouts=layouts, network=network,
                 three_in_one=find_three_in_one(city_layers, pack),
                 facts=(*facts, *untaken, *(network.facts if network else ())))


def plan_edge(city_layers: CityLayers, units: gpd.GeoDataFrame, pack: CityPack, study: Study,
              classes: tuple[str, ...], progress: Progress = silent) -> EdgePlan | None:
    """Place edge centres, unless neither the classes nor the study ask for them."""
    step = Text(zh="布设边缘数据中心", en="placing edge centres")
    if ("edge" not in classes and study.n_facilities is None) or study.n_facilities == 0:
        return None
    if pack.edge is None and study.n_facilities is None:
        return None
    progress(step, 0, 1)
    try:
        plan = place_edge_centres(city_layers, units, pack, study)
    except LayerNotFoundError:
        # Asked for by number, the lack is an error; by default, it is a fact of the run.
        if study.n_facilities is not None:
            raise
        return None
    progress(step, 1, 1)
    return plan


def plan_estate(city_layers: CityLayers, units: gpd.GeoDataFrame, pack: CityPack, study: Study) -> EstatePlan | None:
    """Decide on the existing data centres, where a layer holds some and the pack has clauses for them."""
    if not city_layers.has("data_centres") or not pack.retrofit_rules:
        return None
    on = date.fromisoformat(study.date) if study.date else date.today()
    return assess_estate(city_layers.frame("data_centres"), units, pack, on=on)


def plan_capacities(candidates: gpd.GeoDataFrame, scores: Sequence[SiteScores], units: gpd.GeoDataFrame,
                    city_layers: CityLayers, pack: CityPack, study: Study, edge: EdgePlan | None,
                    estate: EstatePlan | None,
                    progress: Progress = silent) -> tuple[tuple[CapacityPlan, ...], tuple[Text, ...]]:
    """Lay capacity out for every reading of the target, where the pack has one and its class was scored.

    What the data of the run do not allow is returned as a fact: the other plans stand all the same.
    """
    own = next((s for s in scores if pack.capacity and s.site_class.class_id == pack.capacity.site_class), None)
    if pack.capacity is None or own is None or not own.eligible.any() or not city_layers.has("substations"):
        return (), ()
    step = Text(zh="布局容量", en="laying out capacity")
    reserved = {} if edge is None else reserved_by(edge)
    plans, lacking = [], []
    for done, reading in enumerate(pack.capacity.readings):
        progress(step, done, len(pack.capacity.readings))
        try:
            plans.append(plan_capacity(candidates, own, units, city_layers, pack, reading, reserved_mva=reserved,
                                       existing_mw=existing_mw(estate), years=study.capacity_years))
        except (InfeasibleError, LayerNotFoundError) as error:
            lacking.append(Text(zh=f"未布局容量（{reading.title.zh}）：{error.text.zh}。",
                                en=f"No capacity was laid out ({reading.title.en}): {error.text.en}."))
    progress(step, len(pack.capacity.readings), len(pack.capacity.readings))
    return tuple(plans), tuple(lacking)


def find_three_in_one(city_layers: CityLayers, pack: CityPack) -> gpd.GeoDataFrame | None:
    """Judge the substations as hosts of storage and a data centre, where the plan wants such stations."""
    if pack.edge is None or pack.edge.three_in_one is None or not city_layers.has("substations"):
        return None
    parcels = city_layers.frame("parcels") if city_layers.has("parcels") else None
    return three_in_one_hosts(city_layers.frame("substations"), edge_pue(pack), it_load_kw=pack.edge.it_load_kw,
                              parcels=parcels)


def existing_mw(estate: EstatePlan | None) -> float:
    """Return the known IT load of the data centres that stay, MW; 0 where none is known."""
    if estate is None:
        return 0.0
    stays = estate.totals[estate.totals["decision"].isin(_STAYS)]
    return float(stays["it_load_kw"].sum()) / 1000.0


def campus_settings(pack: CityPack, class_id: str) -> LayoutSettings:
    """Return the settings of a campus, with the PUE and the rack power of the pack's class."""
    own = pack.site_class(class_id)
    cited = {key: {"document": c.document, "heading": c.heading, "quote": c.quote, "ids": list(c.ids)}
             for key, c in (("pue", own.pue_citation), ("rack_density_kw", own.pue_citation))}
    return load_layout_settings({"pue": own.pue_max, "rack_density_kw": own.rack_density_kw, "citations": cited})


def lay_out_campuses(plan: CapacityPlan, city_layers: CityLayers, pack: CityPack,
                     n: int = N_LAYOUTS) -> tuple[tuple[tuple[str, SiteLayout], ...], tuple[Text, ...]]:
    """Lay the best campuses of a capacity layout out on their parcels, for the load that they were given."""
    settings = campus_settings(pack, capacity_settings(pack).site_class)
    stations = city_layers.frame("substations")
    found, untaken = [], []
    for row in plan.sites.head(n).itertuples():
        feeds = plan.feeds[plan.feeds["capacity_site_id"] == row.capacity_site_id]
        nearest = feeds["substation_id"].iloc[int(np.argmin(feeds["distance_m"].to_numpy()))]
        feed = stations.geometry[stations["substation_id"].astype(str) == nearest].iloc[0]
        try:
            layout = lay_out_site(row.geometry, settings, feed_point=shapely.point_on_surface(feed),
                                  it_load_kw=float(str(row.it_load_mw)) * 1000.0, crs=plan.sites.crs)
        except DataError as error:
            untaken.append(Text(zh=f"地块 {row.parcel_id} 未做园区布局：{error.text.zh}。",
                                en=f"Parcel {row.parcel_id} was not laid out: {error.text.en}."))
            continue
        found.append((str(row.parcel_id), layout))
    return tuple(found), tuple(untaken)
