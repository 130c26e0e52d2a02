"""Which work of a place may go to which hub far away: what policy lets the hub take, and the delay of the way there.

All origins, kinds of work and hubs are judged at once in arrays of that shape; one link is one geodesic.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import Geod

from layers.types import Certainty
from siting.latency import latencies_ms
from siting.network_settings import (
    HIGHEST_LEVEL,
    LOWEST_LEVEL,
    ComputeHub,
    NetworkSettings,
    WorkloadClass,
    WorkOrigin,
)
from siting.network_words import LEVEL_REASON, delay_reason, joined, network_facts, order_reason, stays_reason
from siting.types import NetworkPlan

WGS84 = "EPSG:4326"
VERTEX_SPACING_M = 20_000.0
"""Vertices of a link are no farther apart: between them a straight line of any map strays less than 50 m."""
SAME_PLACE_M = 1.0
"""An origin so near to a hub has no link to it."""
USUAL = 1
"""Place of the usual route among the three."""

_ELLIPSOID = Geod(ellps="WGS84")
_VERDICTS = ("too_far", "fits_on_good_route", "fits_unless_poor_route", "fits")
"""By how many of the three routes keep the limit."""
_UNRANKED_RENEWABLE = 0
"""Level of a hub that has none: behind all that have one."""

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Judgement:
    """What holds for every origin (axis o), kind of work (w) and hub (h)."""

    distance_m: Floats
    """o x h, on the ellipsoid."""
    error_m: Floats
    """o x h: error radii of both ends together."""
    latency_ms: Floats
    """3 x o x h: one way, on a good, a usual and a poor route."""
    arises: Flags
    """o x w: the origin has such work to give away."""
    is_admitted: Flags
    """w x h: policy lets the hub take it."""
    n_within: Counts
    """o x w x h: how many of the three routes keep the limit of the work."""
    n_within_if_near: Counts
    """The same, with both places off towards each other by their error radii."""
    n_within_if_far: Counts
    """The same, with both places off away from each other."""
    choice: Counts
    """o x w x h: place of the hub among those that may take the work, 1 for the one chosen; 0 where it may not."""
    hinges_on_level: Flags
    """o x w: another hub would be chosen if one renewable level that is a judgement were off by one."""


def plan_network(settings: NetworkSettings) -> NetworkPlan:
    """Judge every link and every kind of work, and assign the work of each origin to a hub.

    A hub may take work that its clause lists, where the delay on the usual route keeps the limit of the work. Of the
    hubs that may, the first by the ``preference`` of the work is chosen; equal ones go by key. Work that no hub may
    take stays with its origin.

    Parameters
    ----------
    settings
        Kinds of work, hubs and origins of a pack.
    """
    judged = judge(settings)
    assignments = pd.DataFrame(_assignment_rows(settings, judged))
    return NetworkPlan(links=_links(settings, judged), assignments=assignments,
                       facts=network_facts(settings, assignments))


def judge(settings: NetworkSettings) -> Judgement:
    """Measure all links and compare them with the limits and the clauses."""
    hubs, works = settings.hubs, settings.workloads
    distance_m = geodesic_distances_m(settings.origins, hubs)
    error_m = 1000.0 * np.add.outer([o.error_radius_km for o in settings.origins], [h.error_radius_km for h in hubs])
    n_within = routes_within(settings, distance_m)
    latency_ms = link_latencies_ms(settings, distance_m)
    is_admitted = np.array([[w.workload_id in h.workloads for h in hubs] for w in works], dtype=np.bool_)
    arises = np.array([[not o.workloads or w.workload_id in o.workloads for w in works] for o in settings.origins],
                      dtype=np.bool_)
    may_take = arises[:, :, None] & is_admitted & (n_within > USUAL)
    choice = _choices(settings, may_take, latency_ms[USUAL])
    return Judgement(
        distance_m=distance_m, error_m=error_m, latency_ms=latency_ms, arises=arises, is_admitted=is_admitted,
        n_within=n_within, n_within_if_near=routes_within(settings, np.maximum(distance_m - error_m, 0.0)),
        n_within_if_far=routes_within(settings, distance_m + error_m),
        choice=choice, hinges_on_level=_hinges_on_level(settings, may_take, latency_ms[USUAL], choice))


def geodesic_distances_m(origins: tuple[WorkOrigin, ...], hubs: tuple[ComputeHub, ...]) -> Floats:
    """Return the length of the geodesic from each origin to each hub, metres, shape (origins, hubs)."""
    lon, lat, to_lon, to_lat = (np.ascontiguousarray(part) for part in np.broadcast_arrays(
        *(np.array([[getattr(o, key)] for o in origins], dtype=np.float64) for key in ("lon", "lat")),
        *(np.array([[getattr(h, key) for h in hubs]], dtype=np.float64) for key in ("lon", "lat"))))
    return np.asarray(_ELLIPSOID.inv(lon, lat, to_lon, to_lat)[2], dtype=np.float64)


def link_latencies_ms(settings: NetworkSettings, distance_m: Floats) -> Floats:
    """Return the one-way delays of links on a good, a usual and a poor route, ms, with these three in front."""
    return latencies_ms(np.multiply.outer(settings.route_factors, distance_m), n_hops=settings.n_hops)


def routes_within(settings: NetworkSettings, distance_m: Floats) -> Counts:
    """Count the routes, out of three, on which links of these lengths (origins x hubs) keep the limit of each work.

    Returns
    -------
    numpy.ndarray
        Shape (origins, kinds of work, hubs), 0 to 3: 1 is the good route alone, 2 the usual one too.
    """
    limits = np.array([np.inf if w.max_latency_ms is None else w.max_latency_ms for w in settings.workloads])
    kept = link_latencies_ms(settings, distance_m)[:, :, None, :] <= limits[:, None]
    return np.asarray(kept.sum(axis=0), dtype=np.int64)


def _choices(settings: NetworkSettings, may_take: Flags, usual_ms: Floats) -> Counts:
    """Count the hubs that may take a work from 1, in the order of its preference."""
    found = np.zeros(may_take.shape, dtype=np.int64)
    by_id = np.argsort(np.argsort([h.hub_id for h in settings.hubs], kind="stable"), kind="stable")
    for w, work in enumerate(settings.workloads):
        keys = [_key(settings, work, name, usual_ms) for name in work.preference]
        # The last key counts most.
        keys = [np.broadcast_to(key, usual_ms.shape) for key in (by_id, *reversed(keys), ~may_take[:, w])]
        order = np.lexsort(keys, axis=-1)
        places = np.empty_like(order)
        np.put_along_axis(places, order, np.arange(1, order.shape[1] + 1)[None, :], axis=1)
        found[:, w] = np.where(may_take[:, w], places, 0)
    return found


def _hinges_on_level(settings: NetworkSettings, may_take: Flags, usual_ms: Floats, choice: Counts) -> Flags:
    """Tell for each origin and kind of work whether a judged level that is off by one would change the choice."""
    found = np.zeros(choice.shape[:2], dtype=np.bool_)
    for h, hub in enumerate(settings.hubs):
        if hub.renewable_level is None or "renewable_level" not in hub.assumed:
            continue
        for level in {max(hub.renewable_level - 1, LOWEST_LEVEL), min(hub.renewable_level + 1, HIGHEST_LEVEL)}:
            hubs = (*settings.hubs[:h], replace(hub, renewable_level=level), *settings.hubs[h + 1:])
            turned = _choices(replace(settings, hubs=hubs), may_take, usual_ms)
            found |= ((turned == 1) != (choice == 1)).any(axis=2)
    return found


def _key(settings: NetworkSettings, work: WorkloadClass, preference: str, usual_ms: Floats) -> NDArray[Any]:
    """Return what hubs are sorted by, ascending: one value for each, or one for each origin and hub."""
    if preference == "delay":
        return usual_ms
    if preference == "renewable":
        return np.array([-(h.renewable_level or _UNRANKED_RENEWABLE) for h in settings.hubs])
    return np.array([h.workloads.index(work.workload_id) if work.workload_id in h.workloads else len(h.workloads)
                     for h in settings.hubs])


def _assignment_rows(settings: NetworkSettings, judged: Judgement) -> Iterator[dict[str, object]]:
    for o, w in np.argwhere(judged.arises).tolist():
        work = settings.workloads[w]
        common: dict[str, object] = {"origin_id": settings.origins[o].origin_id, "workload_id": work.workload_id,
                                     "limit_ms": np.nan if work.max_latency_ms is None else work.max_latency_ms}
        for h in range(len(settings.hubs)):
            yield common | _hub_row(settings, judged, o, w, h)
        if not judged.choice[o, w].any():
            reason = stays_reason(is_admitted=bool(judged.is_admitted[w].any()))
            is_firm = not (judged.is_admitted[w] & (judged.n_within_if_near[o, w] > USUAL)).any()
            yield common | {"hub_id": "", "latency_ms": np.nan, "verdict": "stays", "is_firm": is_firm,
                            "is_level_firm": True, "choice": 0, "is_chosen": True,
                            "reasons_zh": reason.zh, "reasons_en": reason.en}


def _hub_row(settings: NetworkSettings, judged: Judgement, o: int, w: int, h: int) -> dict[str, object]:
    work, hub, latency_ms = settings.workloads[w], settings.hubs[h], judged.latency_ms[:, o]
    is_admitted, place = bool(judged.is_admitted[w, h]), int(judged.choice[o, w, h])
    # Either end of the interval alone could differ from what holds in the middle.
    verdicts = [_VERDICTS[n[o, w, h]] for n in (judged.n_within, judged.n_within_if_near, judged.n_within_if_far)]
    others = tuple(dict.fromkeys(v for v in verdicts[1:] if v != verdicts[0]))
    reason = delay_reason(settings, work, hub, latency_ms[:, h].tolist(), is_admitted=is_admitted, others=others,
                          error_km=float(judged.error_m[o, h]) / 1000.0)
    if place > 1:
        first = int(np.argmax(judged.choice[o, w] == 1))
        reason = joined(reason, order_reason(work, hub, settings.hubs[first],
                                             (float(latency_ms[USUAL, h]), float(latency_ms[USUAL, first]))))
    is_level_firm = not (place == 1 and judged.hinges_on_level[o, w])
    if not is_level_firm:
        reason = joined(reason, LEVEL_REASON)
    return {"hub_id": hub.hub_id, "latency_ms": float(latency_ms[USUAL, h]),
            "verdict": verdicts[0] if is_admitted else "not_admitted", "is_firm": not (is_admitted and others),
            "is_level_firm": is_level_firm, "choice": place, "is_chosen": place == 1,
            "reasons_zh": reason.zh, "reasons_en": reason.en}


def _links(settings: NetworkSettings, judged: Judgement) -> gpd.GeoDataFrame:
    rows = [_link_row(settings, judged, o, h) for o, h in np.argwhere(judged.distance_m >= SAME_PLACE_M).tolist()]
    columns = ["link_id", "origin_id", "hub_id", "hub_kind", "distance_km", "distance_error_km", "latency_low_ms",
               "latency_ms", "latency_high_ms", "workloads", "workloads_low", "workloads_assigned", "renewable_level",
               "certainty", "geometry"]
    frame = gpd.GeoDataFrame(rows, columns=columns, geometry="geometry", crs=WGS84)
    return frame.astype({"renewable_level": "Int64"})


def _link_row(settings: NetworkSettings, judged: Judgement, o: int, h: int) -> dict[str, object]:
    origin, hub = settings.origins[o], settings.hubs[h]
    may_take, choice = judged.arises[o] & judged.is_admitted[:, h], judged.choice[o, :, h]
    low, usual, high = judged.latency_ms[:, o, h].tolist()
    return {
        "link_id": f"{origin.origin_id}-{hub.hub_id}", "origin_id": origin.origin_id, "hub_id": hub.hub_id,
        "hub_kind": hub.kind, "distance_km": judged.distance_m[o, h] / 1000.0,
        "distance_error_km": judged.error_m[o, h] / 1000.0,
        "latency_low_ms": low, "latency_ms": usual, "latency_high_ms": high,
        "workloads": _joined(settings, choice > 0),
        "workloads_low": _joined(settings, may_take & (judged.n_within[o, :, h] == USUAL)),
        "workloads_assigned": _joined(settings, choice == 1),
        "renewable_level": hub.renewable_level, "certainty": certainty_of(origin, hub),
        "geometry": geodesic_line(origin.lon, origin.lat, hub.lon, hub.lat),
    }


def _joined(settings: NetworkSettings, wanted: Flags) -> str:
    return " ".join(w.workload_id for w, is_wanted in zip(settings.workloads, wanted, strict=True) if is_wanted)


def certainty_of(*places: WorkOrigin | ComputeHub) -> Certainty:
    """Return how far positions may be trusted, that of the least certain place."""
    if any({"lon", "lat"} & set(place.assumed) for place in places):
        return "assumed"
    return "approximate" if any(place.error_radius_km for place in places) else "real"


def geodesic_line(lon: float, lat: float, to_lon: float, to_lat: float) -> shapely.LineString:
    """Return the shortest line on the ellipsoid between two places, with vertices every ``VERTEX_SPACING_M``.

    In longitude and latitude: such a line is bent in every projection, and holds its course in each.
    """
    length_m = _ELLIPSOID.inv(lon, lat, to_lon, to_lat)[2]
    n_between = math.ceil(length_m / VERTEX_SPACING_M) - 1
    between = _ELLIPSOID.npts(lon, lat, to_lon, to_lat, n_between) if n_between > 0 else []
    return shapely.LineString([(lon, lat), *between, (to_lon, to_lat)])
