"""Which work goes to which hub: delays, clauses, the choice among hubs, and what the plan of a real city says."""

from __future__ import annotations

import itertools
import math
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod, Transformer

from gis.bilingual import Text
from siting.citation import Citation
from siting.city_pack import load_pack, pack_adapter
from siting.compute_network import geodesic_distances_m, geodesic_line, judge, link_latencies_ms, plan_network
from siting.latency import one_way_latency_ms
from siting.network_settings import ComputeHub, HubRegion, NetworkSettings, WorkloadClass, WorkOrigin
from siting.network_words import milliseconds
from siting.types import NetworkPlan, StudyResult

SEEDS = Path(__file__).resolve().parents[2] / "../shared/seeds"
FACTORS = (1.3, 1.5, 2.1)
CLAUSE = Citation(document="003", heading="h", quote="q")
PREFERENCES = ("renewable", "priority", "delay")


def _text(name: str) -> Text:
    return Text(zh=name, en=name)


def _work(key: str, limit_ms: float | None = None, **more: Any) -> WorkloadClass:
    return WorkloadClass(workload_id=key, title=_text(key), max_latency_ms=limit_ms, citation=CLAUSE, **more)


def _hub(key: str, lon: float, lat: float, *workloads: str, level: int | None = None, error_km: float = 0.0,
         **more: Any) -> ComputeHub:
    return ComputeHub(**{"hub_id": key, "title": _text(key), "kind": "partner", "lon": lon, "lat": lat,
                         "error_radius_km": error_km, "renewable_level": level, "workloads": workloads,
                         "citation": CLAUSE, "source": "", **more})


def _origin(key: str, lon: float, lat: float, *workloads: str, error_km: float = 0.0) -> WorkOrigin:
    return WorkOrigin(origin_id=key, title=_text(key), lon=lon, lat=lat, error_radius_km=error_km, citation=CLAUSE,
                      workloads=workloads, source="")


def _network(works: tuple[WorkloadClass, ...], hubs: tuple[ComputeHub, ...], origins: tuple[WorkOrigin, ...],
             **more: Any) -> NetworkSettings:
    return NetworkSettings(**{"route_factors": FACTORS, "workloads": works, "hubs": hubs, "origins": origins,
                              "citation": CLAUSE, **more})


def _row(plan: NetworkPlan, work: str, hub: str, origin: str = "") -> dict[str, Any]:
    frame = plan.assignments
    rows = frame[(frame["workload_id"] == work) & (frame["hub_id"] == hub)]
    rows = rows[rows["origin_id"] == origin] if origin else rows
    assert len(rows) == 1
    return dict(rows.iloc[0])


def _chosen(plan: NetworkPlan) -> dict[tuple[str, str], str]:
    """Return the hub of each origin and kind of work; the law that there is one and only one is tested on the way."""
    rows = plan.assignments[plan.assignments["is_chosen"]]
    pairs = list(zip(rows["origin_id"], rows["workload_id"], strict=True))
    everything = plan.assignments[["origin_id", "workload_id"]].drop_duplicates().itertuples(index=False, name=None)
    assert sorted(pairs) == sorted(everything)
    return dict(zip(pairs, rows["hub_id"], strict=True))


# ------------------------------------------------------------------ delays


@pytest.mark.parametrize(("distance_km", "expected_ms"), [(554, (3.5, 4.1, 5.7)), (1955, (12.5, 14.4, 20.1))])
def test_delays_by_route_factor_are_those_of_the_facts(distance_km: float, expected_ms: tuple[float, ...]) -> None:
    network = _network((_work("w"),), (_hub("h", 0, 0, "w"),), (_origin("o", 0, 0),))
    found = link_latencies_ms(network, np.array([[distance_km * 1000.0]]))
    assert found.shape == (3, 1, 1)
    assert tuple(round(float(v), 1) for v in found.ravel()) == expected_ms


@pytest.mark.parametrize(("distance_km", "expected_ms"), [(623, 4.6), (829, 6.1), (360, 2.6)])
def test_usual_delay_of_other_cities(distance_km: float, expected_ms: float) -> None:
    assert round(one_way_latency_ms(distance_km * 1000.0, 1.5), 1) == expected_ms


def test_hops_add_to_every_route() -> None:
    bare = _network((_work("w"),), (_hub("h", 0, 0, "w"),), (_origin("o", 0, 0),))
    distance_m = np.array([[100_000.0]])
    added = link_latencies_ms(replace(bare, n_hops=10), distance_m) - link_latencies_ms(bare, distance_m)
    np.testing.assert_allclose(added, 0.5)


def test_distances_are_geodesics_and_symmetric() -> None:
    origins = (_origin("a", 113.6, 34.7), _origin("b", 121.5, 31.2))
    hubs = (_hub("a", 113.6, 34.7, "w"), _hub("c", 93.5, 42.8, "w"), _hub("b", 121.5, 31.2, "w"))
    found = geodesic_distances_m(origins, hubs)
    assert found.shape == (2, 3)
    assert found[0, 0] == found[1, 2] == 0.0
    assert found[0, 2] == pytest.approx(found[1, 0], abs=1e-6)
    # A degree of the equator, by the definition of the ellipsoid.
    assert geodesic_distances_m((_origin("o", 0, 0),), (_hub("h", 1, 0, "w"),))[0, 0] == pytest.approx(
        math.pi / 180 * 6378137.0, abs=1e-3)


# ------------------------------------------------------------------ lines


def test_lines_follow_the_ellipsoid_between_their_ends() -> None:
    line = geodesic_line(113.625, 34.747, 93.51, 42.83)
    assert line.coords[0] == (113.625, 34.747)
    assert line.coords[-1] == (93.51, 42.83)
    geod = Geod(ellps="WGS84")
    assert geod.geometry_length(line) == pytest.approx(geod.inv(113.625, 34.747, 93.51, 42.83)[2], abs=0.01)
    # The great circle leaves the straight line of degrees to the north, by far more than a pixel.
    middle = line.interpolate(0.5, normalized=True)
    assert middle.y > (34.747 + 42.83) / 2 + 0.3


@pytest.mark.parametrize("crs", ["EPSG:4547", "EPSG:3857", "EPSG:4544"])
def test_lines_hold_their_course_in_projections(crs: str) -> None:
    """Between two vertices a straight line of the map strays less than 50 m from the geodesic, also far from a belt."""
    line = geodesic_line(113.625, 34.747, 93.51, 42.83)
    there = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    xy = np.column_stack(there.transform(*np.array(line.coords).T))
    assert np.isfinite(xy).all()
    back = np.column_stack(there.transform(*xy.T, direction="INVERSE"))
    np.testing.assert_allclose(back, np.array(line.coords), atol=1e-9)
    geod = Geod(ellps="WGS84")
    pairs = list(itertools.pairwise(line.coords))
    true_middles = [geod.npts(*a, *b, 1)[0] for a, b in pairs]
    true_xy = np.column_stack(there.transform(*np.array(true_middles).T))
    straight = (xy[:-1] + xy[1:]) / 2
    assert np.hypot(*(true_xy - straight).T).max() < 50.0


def test_short_link_has_two_vertices_and_the_same_place_has_no_link() -> None:
    assert len(geodesic_line(113.6, 34.7, 113.65, 34.7).coords) == 2
    plan = plan_network(_network((_work("w", 10.0),), (_hub("own", 113.6, 34.7, "w"), _hub("far", 107.6, 35.7, "w")),
                                 (_origin("o", 113.6, 34.7),)))
    assert plan.links["hub_id"].tolist() == ["far"]
    assert _chosen(plan) == {("o", "w"): "own"}
    assert _row(plan, "w", "own")["latency_ms"] == 0.0


def test_links_are_in_degrees_and_valid() -> None:
    links = _real().links
    assert links.crs is not None
    assert links.crs.to_epsg() == 4326
    assert shapely.is_valid(links.geometry.to_numpy()).all()


# ------------------------------------------------------------------ verdicts


def test_limit_itself_is_kept() -> None:
    """At the limit to the last bit work fits, beyond it not."""
    network = _network((_work("w"),), (_hub("h", 100, 30, "w"),), (_origin("o", 110, 35),))
    usual_ms = float(judge(network).latency_ms[1, 0, 0])
    at, below = ((replace(network, workloads=(_work("w", limit),))) for limit in (usual_ms, np.nextafter(usual_ms, 0)))
    assert _row(plan_network(at), "w", "h")["verdict"] == "fits_unless_poor_route"
    assert _row(plan_network(below), "w", "h")["verdict"] == "fits_on_good_route"


@pytest.mark.parametrize(("lon", "verdict"), [(105.0, "fits"), (94.0, "fits_unless_poor_route"),
                                              (88.0, "fits_on_good_route"), (85.0, "too_far")])
def test_verdict_tells_on_which_routes_work_fits(lon: float, verdict: str) -> None:
    # 20 ms are 3,140, 2,721 and 1,944 km of straight line at 1.3, 1.5 and 2.1.
    plan = plan_network(_network((_work("w", 20.0),), (_hub("h", lon, 35.0, "w"),), (_origin("o", 120.0, 35.0),)))
    row = _row(plan, "w", "h")
    assert row["verdict"] == verdict
    assert row["is_chosen"] == (verdict in ("fits", "fits_unless_poor_route"))
    link = plan.links.iloc[0]
    assert link["workloads"] == ("w" if row["is_chosen"] else "")
    assert link["workloads_low"] == ("w" if verdict == "fits_on_good_route" else "")
    if not row["is_chosen"]:
        assert _row(plan, "w", "")["verdict"] == "stays"
        assert "within the limit" in _row(plan, "w", "")["reasons_en"]


def test_clause_comes_before_delay() -> None:
    plan = plan_network(_network((_work("urgent", 10.0), _work("slow")), (_hub("h", 113.0, 35.0, "slow"),),
                                 (_origin("o", 113.6, 34.7),)))
    row = _row(plan, "urgent", "h")
    assert row["verdict"] == "not_admitted"
    assert row["latency_ms"] < 1.0
    assert "its clause lists slow, not urgent" in row["reasons_en"]
    assert "limit 10 ms" in row["reasons_en"]
    stays = _row(plan, "urgent", "")
    assert (stays["verdict"], stays["is_chosen"]) == ("stays", True)
    assert "no hub's clause lists such work" in stays["reasons_en"]


def test_origin_gives_away_only_its_own_kinds_of_work() -> None:
    plan = plan_network(_network((_work("a", 20.0), _work("b")), (_hub("h", 113, 35, "a", "b"),),
                                 (_origin("all", 113.6, 34.7), _origin("only_b", 113.6, 34.8, "b"))))
    assert _chosen(plan) == {("all", "a"): "h", ("all", "b"): "h", ("only_b", "b"): "h"}
    assert plan.links.set_index("origin_id")["workloads"].to_dict() == {"all": "a b", "only_b": "b"}


def test_position_error_that_could_turn_a_verdict_is_told() -> None:
    hub, origin = _hub("h", 100.0, 35.0, "w"), _origin("o", 120.0, 35.0, error_km=6.0)
    usual_ms = float(judge(_network((_work("w"),), (hub,), (origin,))).latency_ms[1, 0, 0])
    # 10 km are 0.0735 ms on the usual route.
    tight = _network((_work("w", usual_ms + 0.06),), (replace(hub, error_radius_km=4.0),), (origin,))
    row = _row(plan_network(tight), "w", "h")
    assert (row["verdict"], row["is_firm"]) == ("fits_unless_poor_route", False)
    assert "±10 km" in row["reasons_en"]
    assert "fits on a good route alone" in row["reasons_en"]
    assert any("could turn out otherwise: o to h (w)" in fact.en for fact in plan_network(tight).facts)
    sure = replace(tight, hubs=(replace(hub, error_radius_km=1.0),))
    assert _row(plan_network(sure), "w", "h")["is_firm"]
    assert not any("could turn out" in fact.en for fact in plan_network(sure).facts)


def test_work_that_stays_is_firm_unless_a_hub_might_be_near_enough() -> None:
    hub, origin = _hub("h", 100.0, 35.0, "w"), _origin("o", 120.0, 35.0)
    usual_ms = float(judge(_network((_work("w"),), (hub,), (origin,))).latency_ms[1, 0, 0])
    short = _network((_work("w", usual_ms - 0.01),), (hub,), (origin,))
    assert _row(plan_network(short), "w", "")["is_firm"]
    unsure = replace(short, hubs=(replace(hub, error_radius_km=5.0),))
    assert not _row(plan_network(unsure), "w", "")["is_firm"]


def test_delays_are_written_so_that_their_side_of_the_limit_shows() -> None:
    assert milliseconds(4.08) == "4.1"
    assert milliseconds(20.02, 20.0) == "20.02"
    assert milliseconds(19.98, 20.0) == "20.0"
    assert milliseconds(10.0000004, 10.0) == "10.000000"  # six decimals are the most


# ------------------------------------------------------------------ the choice


def _random_network(seed: int) -> NetworkSettings:
    rng = random.Random(seed)
    keys = ("a", "b", "c")
    limits = [rng.choice([4.0, 8.0]), rng.choice([8.0, 15.0]), rng.choice([15.0, None])]
    works = tuple(_work(k, limit, preference=tuple(rng.sample(PREFERENCES, rng.randint(1, 3))))
                  for k, limit in zip(keys, limits, strict=True))
    places = [(rng.uniform(95, 120), rng.uniform(25, 45)) for _ in range(4)]
    hubs = tuple(_hub(f"h{n}", *rng.choice(places), *rng.sample(keys, rng.randint(1, 3)),
                      level=rng.choice([None, 1, 3, 5]), error_km=rng.choice([0.0, 20.0]))
                 for n in rng.sample(range(10), rng.randint(1, 6)))
    origins = tuple(_origin(f"o{n}", rng.uniform(95, 120), rng.uniform(25, 45), *rng.choice([(), ("a",), ("b", "c")]))
                    for n in range(rng.randint(1, 4)))
    return _network(works, hubs, origins, n_hops=rng.choice([0, 8]))


def _brute_choice(network: NetworkSettings, origin: WorkOrigin, work: WorkloadClass) -> str:
    """Compare hubs one against another, by the words of the rule."""
    best: ComputeHub | None = None

    def delay(hub: ComputeHub) -> float:
        km = Geod(ellps="WGS84").inv(origin.lon, origin.lat, hub.lon, hub.lat)[2] / 1000
        return km * 1.5 * 4.9e-3 + network.n_hops * 0.05

    def is_better(one: ComputeHub, other: ComputeHub) -> bool:
        for name in work.preference:
            if name == "renewable" and (one.renewable_level or 0) != (other.renewable_level or 0):
                return (one.renewable_level or 0) > (other.renewable_level or 0)
            first, second = (h.workloads.index(work.workload_id) for h in (one, other))
            if name == "priority" and first != second:
                return first < second
            if name == "delay" and delay(one) != delay(other):
                return delay(one) < delay(other)
        return one.hub_id < other.hub_id

    for hub in network.hubs:
        may_take = work.workload_id in hub.workloads and (
            work.max_latency_ms is None or delay(hub) <= work.max_latency_ms)
        if may_take and (best is None or is_better(hub, best)):
            best = hub
    return best.hub_id if best else ""


@pytest.mark.parametrize("seed", range(25))
def test_choice_is_that_of_comparing_hubs_one_by_one(seed: int) -> None:
    network = _random_network(seed)
    expected = {(o.origin_id, w.workload_id): _brute_choice(network, o, w) for o in network.origins
                for w in network.workloads if not o.workloads or w.workload_id in o.workloads}
    assert _chosen(plan_network(network)) == expected


def _pairs(network: NetworkSettings, place: int) -> dict[tuple[str, str], set[str]]:
    """Return the hubs of each origin and kind of work: the one chosen for 1, all that may take the work for 0."""
    choice = judge(network).choice
    return {(o.origin_id, w.workload_id): {h.hub_id for h, n in zip(network.hubs, choice[i, j], strict=True)
                                           if (n == place if place else n > 0)}
            for i, o in enumerate(network.origins) for j, w in enumerate(network.workloads)}


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_order_of_hubs_in_the_pack_changes_nothing(seed: int) -> None:
    network = _random_network(seed)
    assert _pairs(network, 1) == _pairs(replace(network, hubs=network.hubs[::-1]), 1)


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_one_more_hub_never_makes_the_chosen_one_worse(seed: int) -> None:
    """With a hub more, each work has the hub that it had, or the new one: none loses to a hub that it beat before."""
    network = _random_network(seed)
    more = replace(network, hubs=(*network.hubs, _hub("h_new", 108.0, 35.0, "b", "a", level=4)))
    before, after = _pairs(network, 1), _pairs(more, 1)
    assert all(after[pair] in (before[pair], {"h_new"}) for pair in before)


@given(st.integers(0, 10_000), st.floats(1.0, 1.6))
@settings(max_examples=40, deadline=None)
def test_longer_routes_never_add_work(seed: int, factor: float) -> None:
    network = _random_network(seed)
    low, usual, high = network.route_factors
    shorter = _pairs(network, 0)
    longer = _pairs(replace(network, route_factors=(low, usual * factor, high * factor)), 0)
    assert all(longer[pair] <= shorter[pair] for pair in shorter)


def test_reason_says_by_what_a_hub_stands_behind() -> None:
    far, near = _hub("far", 107.6, 35.7, "w", level=5), _hub("near", 113.0, 35.0, "v", "w", level=3)
    works = (_work("v"), _work("w"))
    origin = (_origin("o", 113.6, 34.7),)
    by_level = plan_network(_network(works, (far, near), origin))
    assert _row(by_level, "w", "near")["reasons_en"].endswith("behind far: lower renewable level")
    by_clause = plan_network(_network((works[0], replace(works[1], preference=("priority",))), (far, near), origin))
    assert _row(by_clause, "w", "near")["reasons_en"].endswith("behind far: its clause lists the work later")
    by_delay = plan_network(_network((works[0], replace(works[1], preference=("delay",))), (far, near), origin))
    assert _row(by_delay, "w", "far")["reasons_en"].endswith("behind near: longer delay")
    twins = (replace(near, hub_id="b"), replace(near, hub_id="a"))
    by_key = plan_network(_network(works, twins, origin))
    assert _chosen(by_key)["o", "w"] == "a"
    assert _row(by_key, "w", "b")["reasons_en"].endswith("equal, sorted by key")


def test_choice_that_hangs_on_a_judged_level_is_told() -> None:
    near, far = _hub("near", 113.0, 35.0, "w", level=3), _hub("far", 107.6, 35.7, "w", level=2)
    origin = (_origin("o", 113.6, 34.7),)

    def firm(*hubs: ComputeHub, **more: Any) -> bool:
        plan = plan_network(_network((_work("w", **more),), hubs, origin))
        row = plan.assignments[plan.assignments["is_chosen"]].iloc[0]
        is_firm = bool(row["is_level_firm"])
        assert is_firm != ("one level more or less" in row["reasons_en"])
        assert is_firm != any("hang on renewable levels" in fact.en for fact in plan.facts)
        assert plan.assignments.loc[~plan.assignments["is_chosen"], "is_level_firm"].all()
        return is_firm

    judged = ("renewable_level",)
    # Equal levels after the step: the nearer one is chosen still. One more step, and it is not.
    assert firm(near, replace(far, assumed=judged))
    assert not firm(near, replace(far, renewable_level=3, assumed=judged))
    assert not firm(replace(near, assumed=judged), replace(far, renewable_level=3))
    assert firm(near, replace(far, renewable_level=3))
    assert firm(near, replace(far, renewable_level=3, assumed=judged), preference=("delay",))
    # The scale ends at five: a level there cannot be higher.
    assert firm(replace(near, renewable_level=5), replace(far, renewable_level=5, assumed=judged))


def test_large_networks_are_quick_and_whole() -> None:
    rng = random.Random(1)
    hubs = tuple(_hub(f"h{n}", rng.uniform(95, 120), rng.uniform(25, 45), "a", "b", "c", level=rng.randint(1, 5))
                 for n in range(16))
    origins = tuple(_origin(f"o{n}", rng.uniform(95, 120), rng.uniform(25, 45)) for n in range(60))
    plan = plan_network(_network((_work("a", 10.0), _work("b", 20.0), _work("c")), hubs, origins))
    assert len(plan.assignments[plan.assignments["hub_id"] != ""]) == 60 * 3 * 16
    assert len(plan.links) == 60 * 16
    assert len(plan.facts) < 10
    assert all(len(fact.en) < 2000 for fact in plan.facts)


# ------------------------------------------------------------------ the plan of a city


def _settings() -> NetworkSettings:
    network = load_pack("zhengzhou").network
    assert network is not None
    return network


def _real() -> NetworkPlan:
    return plan_network(_settings())


def test_links_of_the_city_are_those_of_the_facts() -> None:
    links = _real().links.set_index("hub_id")
    for hub, km, delays in (("qingyang", 554, (3.5, 4.1, 5.7)), ("hami", 1955, (12.5, 14.4, 20.1))):
        row = links.loc[hub]
        assert row["distance_km"] == pytest.approx(km, rel=0.003)
        assert tuple(round(row[c], 1) for c in ("latency_low_ms", "latency_ms", "latency_high_ms")) == delays
    assert links["certainty"].tolist() == ["approximate", "approximate"]


def test_real_time_work_stays_in_the_city_for_two_reasons() -> None:
    """The near hub is near enough and not meant for it; the far one is neither."""
    plan = _real()
    assert _chosen(plan)["zhengzhou", "real_time"] == ""
    near, far = _row(plan, "real_time", "qingyang"), _row(plan, "real_time", "hami")
    assert near["verdict"] == far["verdict"] == "not_admitted"
    assert near["latency_ms"] < 10.0 < far["latency_ms"]
    assert "12.5 ms even on a good route" in far["reasons_en"]
    assert "5.7 ms on a poor route (limit 10 ms)" in near["reasons_en"]


def test_far_hub_keeps_twenty_ms_only_where_the_route_is_not_poor() -> None:
    plan = _real()
    row = _row(plan, "medium", "hami")
    assert row["verdict"] == "fits_unless_poor_route"
    assert not row["is_firm"]
    assert any("the route must be secured first: Zhengzhou to Hami" in fact.en for fact in plan.facts)
    # Were the route a little longer than usual throughout, the work would no longer be admissible.
    worse = plan_network(replace(_settings(), route_factors=(1.3, 2.1, 2.1)))
    assert _row(worse, "medium", "hami")["verdict"] == "fits_on_good_route"


def test_other_work_goes_to_the_near_hub_and_follows_the_data() -> None:
    chosen = _chosen(_real())
    assert chosen["zhengzhou", "medium"] == chosen["zhengzhou", "offline"] == "qingyang"
    assert any("hang on renewable levels" in fact.en for fact in _real().facts)
    greyer = tuple(replace(h, renewable_level=3) if h.hub_id == "qingyang" else h for h in _settings().hubs)
    assert _chosen(plan_network(replace(_settings(), hubs=greyer)))["zhengzhou", "offline"] == "hami"
    offline_only = tuple(replace(h, workloads=("offline",)) for h in _settings().hubs)
    assert _chosen(plan_network(replace(_settings(), hubs=offline_only)))["zhengzhou", "medium"] == ""


def test_partner_outside_the_regions_is_named() -> None:
    assert any(fact.en.endswith("these lie in no hub region: Hami.") for fact in _real().facts)


@pytest.mark.skipif(not SEEDS.is_dir(), reason="the texts of the plans are not beside the project")
def test_clauses_of_the_network_are_verbatim() -> None:
    texts = {p.name[:3]: re.sub(r"\s+", "", p.read_text(encoding="utf-8")) for p in SEEDS.glob("*.txt")}
    network = _settings()
    works, hubs = network.workloads, network.hubs
    cited = [network.citation, *(w.citation for w in works), *(h.citation for h in hubs), *(h.clause for h in hubs),
             *(o.citation for o in network.origins), *(r.citation for r in network.regions)]
    for citation in cited:
        assert citation.quote in texts[citation.document]
        assert re.sub(r"\s+", "", citation.heading) in texts[citation.document]
    # What the numbers say stands in the clause itself.
    assert [f"{w.max_latency_ms:g}毫秒" in w.citation.quote for w in works if w.max_latency_ms] == [True, True]
    west = next(h for h in hubs if h.kind == "cluster").clause.quote
    assert west.endswith("优先承接后台加工、离线分析、存储备份等非实时算力需求")


# ------------------------------------------------------------------ checks of a pack


def _problems(tmp_path: Path, old: str, new: str) -> str:
    from gis.errors import PackError
    cities = Path(__file__).resolve().parents[2] / "siting/cities"
    text = (cities / "zhengzhou.toml").read_text(encoding="utf-8")
    head, network = text[:text.index("[network]")], text[text.index("[network]"):]
    assert old in network
    path = tmp_path / "city.toml"
    path.write_text(head + network.replace(old, new), encoding="utf-8")
    with pytest.raises(PackError) as caught:
        load_pack(str(path))
    return str(caught.value)


@pytest.mark.parametrize(("old", "new", "said"), [
    ("route_factors = [1.3, 1.5, 2.1]", "route_factors = [1.5, 1.3, 2.1]", "route factors"),
    ("route_factors = [1.3, 1.5, 2.1]", "route_factors = [0.9, 1.5, 2.1]", "none below 1"),
    ("n_hops = 0", "n_hops = -1", "-1 hops"),
    ("max_latency_ms = 10.0", "max_latency_ms = 30.0", "most urgent work comes first"),
    ("max_latency_ms = 10.0", "max_latency_ms = 0.0", "above 0 ms"),
    ('hub_id = "hami"', 'hub_id = "qingyang"', "hub 'qingyang' is there twice"),
    ("lat = 42.83", "lat = 93.51", "no place on earth"),
    ("error_radius_km = 30.0", "error_radius_km = -1.0", "negative error radius"),
    ("renewable_level = 5", "renewable_level = 6", "runs from 1 to 5"),
    ('region_id = "gansu"\nrenewable', 'renewable', "names no region"),
    ('region_id = "gansu"\nrenewable', 'region_id = "ningxia"\nrenewable', "unknown region 'ningxia'"),
    ('kind = "partner"', 'kind = "cluster"\nregion_id = "gansu"', "has 2 clusters and may have 1"),
    ('workloads = ["offline", "medium"]', 'workloads = ["offline", "night"]', "'night'"),
    ('quote = "算力需求缺口较大"', 'quote = ""', "origin 'zhengzhou' has no quote"),
])
def test_contradictions_of_a_network_are_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert said in _problems(tmp_path, old, new)


def test_regions_and_hubs_are_checked_nouns() -> None:
    """A key that no noun knows is refused: a misspelt limit would else be no limit."""
    from pydantic import TypeAdapter, ValidationError
    pack_adapter()
    adapter = TypeAdapter(HubRegion)
    with pytest.raises(ValidationError, match="max_cluster"):
        adapter.validate_python({"region_id": "r", "title": {"zh": "r", "en": "r"}, "unit_ids": [], "max_clusters": 1,
                                 "citation": {"document": "d", "heading": "h"}, "max_cluster": 2})


def test_run_of_a_city_holds_the_plan_and_says_what_hangs_on_it(zhengzhou_result: StudyResult) -> None:
    plan = zhengzhou_result.network_plan
    assert plan is not None
    assert _chosen(plan) == _chosen(_real())
    assert set(plan.facts) <= set(zhengzhou_result.facts)
