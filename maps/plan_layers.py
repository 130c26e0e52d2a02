"""The layers of the plans: edge centres, capacity, existing stock, campuses and the computing network."""

from __future__ import annotations

from collections.abc import Sequence

import geopandas as gpd
import pandas as pd

from gis.bilingual import Language
from maps.exported_layer import ExportedLayer
from siting.clusters import ClusterPlan
from siting.network_settings import NetworkSettings
from siting.tables import citation_text, unit_titles, zone_titles
from siting.types import CapacityPlan, EdgePlan, NetworkPlan, StudyResult


def plan_layers(result: StudyResult, language: Language) -> tuple[ExportedLayer, ...]:
    """Return the layers of every plan that the study holds."""
    return (*_edge_layers(result, language), *_capacity_layers(result, language), *_estate_layers(result),
            *_three_in_one_layers(result), *_campus_layers(result), *_network_layers(result, language))


def plan_tables(result: StudyResult, language: Language) -> dict[str, pd.DataFrame]:
    """Return the tables of the plans by file name: layers without their geometry, and what has none."""
    tables: dict[str, pd.DataFrame] = {}
    if result.edge_plan is not None:
        tables["edge_centres.csv"] = edge_frame(result, result.edge_plan, language)
        tables["edge_coverage_curve.csv"] = result.edge_plan.curve
    units, zones = unit_titles(result, language), zone_titles(result, language)
    for plan, suffix in _numbered(result.capacity_plans):
        tables[f"capacity_sites{suffix}.csv"] = capacity_frame(result, plan, language)
        own = plan.by_unit
        tables[f"capacity_by_unit{suffix}.csv"] = own.assign(
            unit=own["unit_id"].map(lambda k: units.get(k, k)), zone=own["zone_id"].map(lambda k: zones.get(k, k)))[
                ["unit_id", "unit", "zone_id", "zone", "n_sites", "rack_count", "it_load_mw", "share", "known_share"]]
        tables[f"capacity_by_substation{suffix}.csv"] = plan.by_substation
    if result.estate_plan is not None:
        tables["data_centre_decisions.csv"] = result.estate_plan.centres
        tables["data_centre_lists.csv"] = result.estate_plan.lists
    if result.cluster_plan is not None:
        tables["clusters.csv"] = cluster_frame(result, result.cluster_plan, language)
    if result.network_plan is not None and result.pack.network is not None:
        tables["network_assignments.csv"] = assignment_frame(result, result.network_plan, result.pack.network, language)
    return tables


def _numbered(plans: Sequence[CapacityPlan]) -> list[tuple[CapacityPlan, str]]:
    """Give every reading its part of a file name; the first has none."""
    return [(plan, "" if i == 0 else f"_{plan.reading.reading_id}") for i, plan in enumerate(plans)]


def _edge_layers(result: StudyResult, language: Language) -> tuple[ExportedLayer, ...]:
    plan = result.edge_plan
    if plan is None:
        return ()
    hosts = tuple(dict.fromkeys([*map(str, plan.edge_centres["host_kind"]), "substations"]))
    ids = plan.feed_lines["edge_centre_id"].astype(str) + "-" + plan.feed_lines["feed"].astype(str)
    feeds = plan.feed_lines.assign(feed_line_id=ids)
    return (
        ExportedLayer("edge_centres", "edge_centre_id", edge_frame(result, plan, language), (*hosts, "demand")),
        ExportedLayer("feed_lines", "feed_line_id", feeds[
            ["feed_line_id", "edge_centre_id", "feed", "substation_id", "voltage_kv", "distance_m", "certainty",
             "geometry"]].assign(distance_m=feeds["distance_m"].round(1)), hosts),
        ExportedLayer("coverage", "edge_centre_id", _coverage_frame(plan), hosts),
    )


def edge_frame(result: StudyResult, plan: EdgePlan, language: Language) -> gpd.GeoDataFrame:
    """Return the edge centres with the titles of their units and zones."""
    frame, units, zones = plan.edge_centres, unit_titles(result, language), zone_titles(result, language)
    frame = frame.assign(
        unit=frame["unit_id"].map(lambda k: units.get(k, k)), zone=frame["zone_id"].map(lambda k: zones.get(k, k)),
        feed_a_distance_m=frame["feed_a_distance_m"].astype(float).round(1),
        feed_b_distance_m=frame["feed_b_distance_m"].astype(float).round(1))
    return frame[["edge_centre_id", "host_id", "host_kind", "name", "unit_id", "unit", "zone_id", "zone",
                  "demand_covered", "n_demand_covered", "it_load_kw", "load_mva", "feed_a_id", "feed_a_distance_m",
                  "feed_a_voltage_kv", "feed_b_id", "feed_b_distance_m", "feed_b_voltage_kv", "power_limit",
                  "fibre_diversity", "fibre_shared_m", "stability", "runner_up_id", "runner_up_name",
                  "runner_up_loss", "certainty", "geometry"]]


def _coverage_frame(plan: EdgePlan) -> gpd.GeoDataFrame:
    sure = dict(zip(plan.edge_centres["edge_centre_id"], plan.edge_centres["certainty"], strict=True))
    frame = plan.coverage.assign(certainty=plan.coverage["edge_centre_id"].map(sure))
    return frame[["edge_centre_id", "service_radius_m", "certainty", "geometry"]]


def _capacity_layers(result: StudyResult, language: Language) -> tuple[ExportedLayer, ...]:
    own = ("parcels", "substations") if result.study.candidates == "parcels" else ("districts", "substations")
    layers = []
    for plan, suffix in _numbered(result.capacity_plans):
        feeds = plan.feeds.assign(capacity_feed_id=plan.feeds["capacity_site_id"] + "-" + plan.feeds["substation_id"])
        layers += [
            ExportedLayer(f"capacity_sites{suffix}", "capacity_site_id", capacity_frame(result, plan, language), own),
            ExportedLayer(f"capacity_feeds{suffix}", "capacity_feed_id", feeds[
                ["capacity_feed_id", "capacity_site_id", "substation_id", "voltage_kv", "load_mva", "distance_m",
                 "certainty", "geometry"]], own)]
    return tuple(layers)


def capacity_frame(result: StudyResult, plan: CapacityPlan, language: Language) -> gpd.GeoDataFrame:
    """Return the campuses of a capacity layout with the titles of their units and zones."""
    units, zones = unit_titles(result, language), zone_titles(result, language)
    frame = plan.sites.assign(unit=plan.sites["unit_id"].map(lambda k: units.get(k, k)),
                              zone=plan.sites["zone_id"].map(lambda k: zones.get(k, k)))
    return frame[["capacity_site_id", "parcel_id", "unit_id", "unit", "zone_id", "zone", "rack_count", "it_load_mw",
                  "facility_load_mw", "load_mva", "n_substations", "connection_km", "year", "score", "area_m2",
                  "permission", "certainty", "geometry"]]


def _estate_layers(result: StudyResult) -> tuple[ExportedLayer, ...]:
    if result.estate_plan is None:
        return ()
    return (ExportedLayer("data_centre_decisions", "data_centre_id", result.estate_plan.centres, ("data_centres",)),)


def _three_in_one_layers(result: StudyResult) -> tuple[ExportedLayer, ...]:
    frame = result.three_in_one
    if frame is None or frame.empty:
        return ()
    rounded = frame.assign(**{c: frame[c].round(3) for c in ("load_mva", "headroom_mva", "storage_mwh")},
                           **{c: frame[c].round(1) for c in ("room_m2", "required_area_m2", "it_capacity_kw",
                                                             "second_feed_connection_m")})
    return (ExportedLayer("three_in_one_hosts", "substation_id", rounded, ("substations", "parcels")),)


def _campus_layers(result: StudyResult) -> tuple[ExportedLayer, ...]:
    if not result.site_layouts:
        return ()
    frames = [layout.parts.assign(parcel_id=parcel_id, campus_part_id=f"{parcel_id}-" + layout.parts["part_id"],
                                  part_kind=layout.parts["kind"])
              for parcel_id, layout in result.site_layouts]
    joined = gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), geometry="geometry", crs=frames[0].crs)
    columns = ["campus_part_id", "parcel_id", "part_kind", "floors", "area_m2", "floor_area_m2", "racks", "it_load_kw",
               "certainty", "geometry"]
    return (ExportedLayer("campus_parts", "campus_part_id", joined[columns], ("parcels",)),)


def cluster_frame(result: StudyResult, plan: ClusterPlan, language: Language) -> pd.DataFrame:
    """Return the clusters listed and the runners-up, with the titles of regions and units and the clause."""
    regions, units = {f.region.region_id: f.region for f in plan.regions}, unit_titles(result, language)
    frame = plan.table(result.candidates, language=language)
    titled = frame.assign(
        region=[regions[key].title.to(language) for key in frame["region_id"]],
        unit=frame["unit_id"].map(lambda key: units.get(key, key)),
        clause=[citation_text(result.pack, regions[key].citation, language) for key in frame["region_id"]])
    return titled[["region_id", "region", "max_clusters", "site_class", "region_rank", "is_chosen", "parcel_id", "name",
                   "unit_id", "unit", "score", "rank", "region_rank_low", "region_rank_high", "is_separated", "clause",
                   "certainty"]]


def _network_layers(result: StudyResult, language: Language) -> tuple[ExportedLayer, ...]:
    plan, network = result.network_plan, result.pack.network
    if plan is None or network is None:
        return ()
    frame, clauses = plan.links, _hub_clauses(result, network, language)
    origins, hubs = {o.origin_id: o.source for o in network.origins}, {h.hub_id: h.source for h in network.hubs}
    places = {"distance_km": 1, "distance_error_km": 1, "latency_low_ms": 3, "latency_ms": 3, "latency_high_ms": 3}
    titled = frame.assign(
        origin=frame["origin_id"].map({o.origin_id: o.title.to(language) for o in network.origins}),
        hub=frame["hub_id"].map({h.hub_id: h.title.to(language) for h in network.hubs}),
        position_source=[f"{origins[o]}; {hubs[h]}" for o, h in zip(frame["origin_id"], frame["hub_id"], strict=True)],
        clause=frame["hub_id"].map(clauses)).round(places)
    return (ExportedLayer("network_links", "link_id", titled[
        ["link_id", "origin_id", "origin", "hub_id", "hub", "hub_kind", *places, "workloads", "workloads_low",
         "workloads_assigned", "renewable_level", "clause", "position_source", "certainty", "geometry"]], ()),)


def assignment_frame(result: StudyResult, plan: NetworkPlan, network: NetworkSettings,
                     language: Language) -> pd.DataFrame:
    """Return what was said of work at hubs, with titles and clauses: the hub's, or the work's where it stays."""
    frame, clauses = plan.assignments, _hub_clauses(result, network, language)
    kept = {w.workload_id: citation_text(result.pack, w.citation, language) for w in network.workloads}
    titled = frame.assign(
        origin=frame["origin_id"].map({o.origin_id: o.title.to(language) for o in network.origins}),
        workload=frame["workload_id"].map({w.workload_id: w.title.to(language) for w in network.workloads}),
        hub=frame["hub_id"].map({"": ""} | {h.hub_id: h.title.to(language) for h in network.hubs}),
        clause=[clauses.get(hub_id) or kept[workload_id] for hub_id, workload_id in
                zip(frame["hub_id"], frame["workload_id"], strict=True)]).round({"latency_ms": 3})
    return titled[["origin_id", "origin", "workload_id", "workload", "hub_id", "hub", "latency_ms", "limit_ms",
                   "verdict", "is_firm", "is_level_firm", "choice", "is_chosen", "reasons_zh", "reasons_en", "clause"]]


def _hub_clauses(result: StudyResult, network: NetworkSettings, language: Language) -> dict[str, str]:
    return {h.hub_id: citation_text(result.pack, h.clause, language) for h in network.hubs}
