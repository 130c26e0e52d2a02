"""Power: loads, voltage steps, two feeds, headroom and its consumption, against brute force and by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Point, box

from gis.errors import LayerNotFoundError, PackError, UsageError
from layers.types import CityLayers
from siting import _power_kernels as kernels
from siting.city_pack import load_pack
from siting.headroom import BASIS_TEXT, HeadroomBasis, headroom_fact, headroom_of
from siting.power import (
    PowerLimit,
    PowerRules,
    feeds_for,
    feeds_table,
    rules_of_class,
    site_load_mva,
)
from siting.power_allocation import allocate_headroom, allocation_fact, substation_loads
from siting.power_table import load_power_table
from siting.power_words import INDEPENDENCE_TEXT, LIMIT_TEXT, explain_feeds, feeds_fact
from siting.three_in_one import ROOM_TEXT, VERDICT_TEXT, required_area_m2, three_in_one_hosts

TABLE = load_power_table()
RULES = PowerRules(table=TABLE)
LARGE_KW, LARGE_PUE = 7_500.0, 1.3


def stations(*rows, **columns):
    """Stations of (x, y, voltage, headroom), in kilometres, kV and MVA."""
    x, y, kv, mva = zip(*rows, strict=True)
    frame = gpd.GeoDataFrame({"substation_id": [f"S{i}" for i in range(len(rows))], "voltage_kv": kv,
                              "headroom_mva": mva, **columns},
                             geometry=[Point(1000 * a, 1000 * b) for a, b in zip(x, y, strict=True)], crs="EPSG:4547")
    return frame.astype({"voltage_kv": float, "headroom_mva": float})


def sites(*places):
    return np.array([Point(1000 * x, 1000 * y) for x, y in places], dtype=object)


def limits(feeds):
    return [PowerLimit(int(v)) for v in feeds.fails_first]


def test_load_is_it_times_pue_over_power_factor() -> None:
    np.testing.assert_allclose(site_load_mva([250.0, 7_500.0, 25_000.0, 120_000.0], 1.3),
                               [0.342, 10.263, 34.211, 164.211], atol=5e-4)
    for bad in ({"pue": 0.9}, {"it_load_kw": -1.0}, {"power_factor": 0.0}):
        with pytest.raises(UsageError):
            site_load_mva(**{"it_load_kw": 1.0, "pue": 1.3, **bad})


@pytest.mark.parametrize(("mva", "kv"), [(0.0, 0.38), (0.049, 0.38), (0.05, 10), (0.342, 10), (4.99, 10), (5.0, 35),
                                         (10.263, 35), (34.211, 110), (99.9, 110), (164.2, 220), (1e4, 220)])
def test_the_voltage_step_is_the_highest_that_the_load_opens(mva, kv) -> None:
    assert TABLE.steps[int(TABLE.step_of(np.array([mva]))[0])].voltage_kv == kv


def test_every_value_of_the_table_is_cited_or_marked() -> None:
    documents = {d.document_id for d in TABLE.documents}
    known = documents | {d.document_id for d in load_pack("tianfu").documents}
    for row in (*TABLE.steps, *TABLE.stations, TABLE.three_in_one):
        assert row.citation.document in known
        assert row.citation.heading
        assert set(row.assumed) <= set(row.__dataclass_fields__)
    assert TABLE.three_in_one.citation.ids == ("C-17",)
    assert TABLE.three_in_one.it_load_kw <= 250.0


@pytest.mark.parametrize(("old", "new", "message"), [
    ("power_factor = 0.95", "power_factor = 1.2", "power_factor must lie"),
    ("max_mva = 10.0", "max_mva = 4.0", "gap"),
    ("min_mva = 20.0", "min_mva = 20.0\ncolour = 1", "colour"),
    ("capacity_load_ratio = 1.75", "capacity_load_ratio = 0.9", "capacity-load ratio"),
    ("voltage_kv = 500.0", "voltage_kv = 50.0", "ascend"),
    ("unit_mva_choices = [50.0, 63.0]", "unit_mva_choices = [40.0, 50.0]", "hold its typical values"),
    ("capacity_load_ratio_range = [1.6, 1.9]", "capacity_load_ratio_range = [1.8, 1.9]", "hold its typical values"),
    ("power_factor = 0.95", "power_factor =", "cannot be read"),
])
def test_a_broken_table_is_refused(tmp_path: Path, old, new, message) -> None:
    text = (Path(__file__).parents[2] / "siting" / "standards" / "power-supply.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "table.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PackError, match=message):
        load_power_table(str(tmp_path / "table.toml"))


def test_headroom_is_firm_capacity_less_peak_and_says_how_it_is_known() -> None:
    frame = stations((0, 0, 110, np.nan), (1, 0, 110, np.nan), (2, 0, 220, np.nan), (3, 0, 110, 12.5),
                     (4, 0, 110, np.nan), (5, 0, np.nan, np.nan), (6, 0, 110, np.nan),
                     transformer_capacity_mva=[189.0, 100.0, 720.0, 189.0, np.nan, np.nan, 150.0],
                     n_transformers=[np.nan] * 6 + [3.0], peak_load_mva=[np.nan] * 6 + [70.0])
    found = headroom_of(frame, TABLE)
    # 3 x 63: 126 - 189/2; 2 x 50: 50 - 50; 3 x 240: 480 - 720/1.75; stated; 2 x 63 assumed; no voltage; 100 - 70.
    np.testing.assert_allclose(found.headroom_mva, [31.5, 0.0, 480 - 720 / 1.75, 12.5, 0.0, np.nan, 30.0])
    assert [HeadroomBasis(b).name for b in found.basis] == ["DERIVED", "DERIVED", "DERIVED", "STATED", "ASSUMED",
                                                            "UNKNOWN", "COMPUTED"]
    strict = headroom_of(frame, TABLE, is_assuming=False)
    np.testing.assert_allclose(strict.headroom_mva, [np.nan, np.nan, np.nan, 12.5, np.nan, np.nan, 30.0])
    assert "1 assumed" in headroom_fact(found).en
    assert "假定" in headroom_fact(found).zh


def test_two_feeds_start_at_the_nearest_stations_that_have_the_load() -> None:
    frame = stations((1, 0, 110, 8.0), (2, 0, 110, 40.0), (3, 0, 35, 99.0), (4, 0, 220, 25.0), (5, 0, 110, 60.0))
    feeds = feeds_for(sites((0, 0)), LARGE_KW, LARGE_PUE, frame, RULES)
    assert feeds.feed.tolist() == [[1, 3]]  # 0 is too small, 2 has no 35 kV to give
    assert feeds.feed_distance_m.tolist() == [[2000.0, 4000.0]]
    np.testing.assert_allclose(feeds.connection_m, [[2800.0, 5600.0]])
    assert limits(feeds) == [PowerLimit.FEED_B]
    np.testing.assert_allclose(feeds.growth_mva, 25.0 - feeds.load_mva)
    assert feeds.n_independent.tolist() == [3]
    assert feeds.independence.tolist() == ["unknown"]
    assert feeds.is_supplied.all()


def test_what_fails_first() -> None:
    frame = stations((0, 0, 110, 50.0), (60, 0, 110, 50.0), (61, 0, 110, 4.0), (120, 0, 35, 50.0), (180, 0, 110, 3.0),
                     (240, 0, 110, 50.0), (240, 1, 110, 39.0), (300, 0, 110, 900.0), (300, 1, 110, 900.0))
    places = sites((0, 30), (60, 0), (120, 0), (180, 0), (240, 0), (0, 1), (300, 0))
    feeds = feeds_for(places, LARGE_KW, LARGE_PUE, frame, RULES)
    assert limits(feeds) == [PowerLimit.DISTANCE, PowerLimit.SECOND_FEED, PowerLimit.VOLTAGE, PowerLimit.HEADROOM,
                             PowerLimit.FEED_B, PowerLimit.SECOND_FEED, PowerLimit.VOLTAGE_STEP]
    load = feeds.load_mva[0]
    np.testing.assert_allclose(feeds.growth_mva, [np.nan, np.nan, np.nan, 3.0 - load, 39.0 - load, np.nan, 40.0 - load])
    assert feeds.is_supplied.tolist() == [False, False, False, False, True, False, True]
    assert feeds.feed[1].tolist() == [1, -1]
    one = feeds_for(sites((60, 0)), LARGE_KW, LARGE_PUE, frame, replace(RULES, n_feeds=1))
    assert (limits(one), one.is_supplied.tolist()) == ([PowerLimit.VOLTAGE_STEP], [True])


def test_a_common_parent_is_avoided_or_flagged_and_never_guessed() -> None:
    rows = ((1, 0, 110, 50.0), (2, 0, 110, 50.0), (3, 0, 110, 50.0))
    near = sites((0, 0))
    unlike = feeds_for(near, LARGE_KW, LARGE_PUE, stations(*rows, parent_id=["P", "P", "Q"]), RULES)
    assert unlike.feed.tolist() == [[0, 2]]
    assert (unlike.independence.tolist(), unlike.n_independent.tolist()) == (["independent"], [2])
    alike = feeds_for(near, LARGE_KW, LARGE_PUE, stations(*rows, parent_id=["P", "P", "P"]), RULES)
    assert (alike.feed.tolist(), limits(alike)) == ([[0, 1]], [PowerLimit.COMMON_PARENT])
    assert (alike.independence.tolist(), alike.n_independent.tolist()) == (["common_parent"], [1])
    direct = feeds_for(near, LARGE_KW, LARGE_PUE, stations(*rows[:2], parent_id=["S1", " "]), RULES)
    assert limits(direct) == [PowerLimit.COMMON_PARENT]
    numbered = stations(*rows[:2], parent_id=[1.0, np.nan]).assign(substation_id=[7, 1])
    assert limits(feeds_for(near, LARGE_KW, LARGE_PUE, numbered, RULES)) == [PowerLimit.COMMON_PARENT]
    unknown = feeds_for(near, LARGE_KW, LARGE_PUE, stations(*rows, parent_id=[None, "P", ""]), RULES)
    assert unknown.independence.tolist() == ["unknown"]


def test_rows_of_one_station_are_one_feed() -> None:
    frame = stations((1, 0, 110, 50.0), (1.1, 0, 110, 50.0))
    frame["substation_id"] = "S"
    assert limits(feeds_for(sites((0, 0)), LARGE_KW, LARGE_PUE, frame, RULES)) == [PowerLimit.SECOND_FEED]


def test_unknown_headroom_hinders_nothing_and_is_said() -> None:
    frame = stations((1, 0, 110, np.nan), (2, 0, 110, np.nan))
    open_end = feeds_for(sites((0, 0)), 80_000.0, 1.25, stations((1, 0, 220, np.nan), (2, 0, 220, np.nan)),
                         replace(RULES, is_assuming=False, reach_m=3_000.0))
    assert limits(open_end) == [PowerLimit.NOT_KNOWN]
    assert np.isnan(open_end.growth_mva).all()
    bounded = feeds_for(sites((0, 0)), LARGE_KW, LARGE_PUE, frame, replace(RULES, is_assuming=False))
    assert limits(bounded) == [PowerLimit.VOLTAGE_STEP]
    assert feeds_table(bounded, frame)["feed_a_headroom_basis"].tolist() == ["unknown"]
    assert limits(feeds_for(sites((0, 0)), LARGE_KW, LARGE_PUE, frame, RULES)) == [PowerLimit.HEADROOM]


def test_the_class_of_a_pack_sets_voltage_and_reach() -> None:
    pack = load_pack("tianfu")
    frame = stations((8, 0, 110, 50.0), (9, 0, 110, 50.0), (14, 0, 220, 90.0), (0, 14, 220, 90.0), (1, 0, 10, 9.0),
                     (0, 2, 35, 9.0))
    by_class = {c.class_id: feeds_for(sites((0, 0)), c.it_load_kw, c.pue_max, frame, rules_of_class(c))
                for c in pack.site_classes}
    assert by_class["hyperscale"].feed.tolist() == [[2, 3]]
    assert by_class["large"].feed.tolist() == [[0, 1]]
    assert by_class["edge"].feed.tolist() == [[4, 5]]
    assert by_class["edge"].supply_voltage_kv.tolist() == [10.0]


def test_one_site_and_all_sites_in_a_sentence() -> None:
    frame = stations((1, 0, 110, 50.0), (2, 0, 110, 20.0), (60, 0, 110, 3.0), parent_id=["P", "Q", None])
    feeds = feeds_for(sites((0, 0), (60, 0), (30, 0)), LARGE_KW, LARGE_PUE, frame, RULES)
    assert explain_feeds(feeds, 0, frame).en == (
        "Load 10.26 MVA, supplied at 35 kV; feed A: S0 (110 kV), about 1.4 km of line, 50.0 MVA free (stated by the "
        "layer); feed B: S1 (110 kV), about 2.8 km of line, 20.0 MVA free (stated by the layer); different parents; "
        "supplied; headroom of feed B gives way first (9.7 MVA to spare).")
    assert explain_feeds(feeds, 1, frame).zh == (
        "负荷 10.26 兆伏安，以 35 千伏供电；供电半径内的变电站容量均不足（缺 7.3 兆伏安）。")
    assert feeds_fact(feeds).en == ("Power: 1 of 3 sites, each alone, can have 2 feeds; no substation within reach: 1; "
                                    "no substation within reach has the load to spare: 1.")
    blind = feeds_for(sites((0, 0)), LARGE_KW, LARGE_PUE, frame.drop(columns=["headroom_mva", "parent_id"]),
                      replace(RULES, is_assuming=False))
    assert "headroom unknown" in explain_feeds(blind, 0, frame).en
    assert "两路电源的上级未知 1 处" in feeds_fact(blind).zh


def test_words_in_a_column_of_numbers_are_unknown() -> None:
    frame = stations((0, 0, 110, np.nan), (1, 0, 110, np.nan), transformer_capacity_mva=["189", "2x50"])
    assert [HeadroomBasis(b).name for b in headroom_of(frame, TABLE).basis] == ["DERIVED", "ASSUMED"]


def test_full_stations_nearby_hide_no_other_and_small_sites_change_nothing() -> None:
    frame = stations(*((i, 0, 110, 1.0) for i in range(1, 7)), (8, 0, 110, 50.0), (9, 0, 110, 50.0))
    alone = feeds_for(sites((0, 0)), LARGE_KW, LARGE_PUE, frame, RULES)
    assert alone.feed.tolist() == [[6, 7]]
    # Both at 35 kV, one just above the least load of the step: stations that suit it do not crowd out the others.
    frame.loc[:5, "headroom_mva"] = 6.0
    both = feeds_for(sites((0, 0), (0, 1)), [LARGE_KW, 4_000.0], LARGE_PUE, frame, RULES)
    assert both.feed.tolist() == [[6, 7], [0, 1]]


def test_a_low_voltage_of_the_class_does_not_undercut_the_step() -> None:
    edge = load_pack("tianfu").site_class("edge")
    frame = stations((1, 0, 10, 50.0), (1.5, 0, 110, 50.0), (2, 0, 110, 50.0))
    assert feeds_for(sites((0, 0)), 250.0, 1.5, frame, rules_of_class(edge)).feed.tolist() == [[0, 1]]
    assert feeds_for(sites((0, 0)), 4_000.0, 1.5, frame, rules_of_class(edge)).feed.tolist() == [[1, 2]]


def test_some_of_the_sites_keep_their_feeds() -> None:
    frame = stations((1, 0, 110, 50.0), (2, 0, 110, 20.0), (60, 0, 110, 3.0), (99, 0, 110, 3.0))
    feeds = feeds_for(sites((0, 0), (60, 0), (30, 0)), [LARGE_KW, 6_000.0, LARGE_KW], LARGE_PUE, frame, RULES)
    some = feeds.at([1, 0])
    assert limits(some) == [PowerLimit.HEADROOM, PowerLimit.FEED_B]
    for name in feeds.__slots__:
        if np.ndim(getattr(feeds, name)):
            assert len(getattr(some, name)) == {3: 2, 4: 4}[len(getattr(feeds, name))], name
    taken = allocate_headroom(feeds, [1, 2, 0])
    np.testing.assert_allclose(taken.growth_mva, feeds.growth_mva[[1, 2, 0]])
    assert taken.growth_mva[0] == pytest.approx(3.0 - feeds.load_mva[1])


def test_codes_have_words_in_both_languages() -> None:
    for words, keys in ((LIMIT_TEXT, PowerLimit), (BASIS_TEXT, HeadroomBasis)):
        assert set(words) == set(keys)
    for words in (LIMIT_TEXT, BASIS_TEXT, INDEPENDENCE_TEXT, VERDICT_TEXT, ROOM_TEXT):
        assert all(t.zh and t.en for t in words.values())
    for name in ("NOT_KNOWN", "HEADROOM", "SECOND_FEED", "COMMON_PARENT", "FEED_A", "FEED_B", "VOLTAGE_STEP"):
        assert getattr(kernels, name) == PowerLimit[name]


def test_refusals() -> None:
    frame = stations((1, 0, 110, 50.0))
    with pytest.raises(LayerNotFoundError, match="no substation"):
        feeds_for(sites((0, 0)), 1.0, 1.3, frame.iloc[:0], RULES)
    with pytest.raises(UsageError, match="3 feeds"):
        replace(RULES, n_feeds=3)
    feeds = feeds_for(sites((0, 0), (1, 0)), 1.0, 1.3, frame, RULES)
    for order in ([0, 0], [2], [-1]):
        with pytest.raises(UsageError, match="each row once"):
            allocate_headroom(feeds, order)
    with pytest.raises(UsageError, match="loads of 2 sites"):
        allocate_headroom(feeds, [0], [1.0, np.nan])


def test_two_sites_do_not_use_the_last_forty_mva_twice() -> None:
    frame = stations((0, 0, 220, 40.0), (1, 0, 220, 90.0), (2, 0, 220, 90.0))
    feeds = feeds_for(sites((0, 1), (0, 2), (9, 9)), 25_000.0, 1.3, frame, RULES)
    assert feeds.feed.tolist()[:2] == [[0, 1], [0, 1]]
    taken = allocate_headroom(feeds, [1, 0])
    assert taken.feed.tolist() == [[0, 1], [1, 2]]
    np.testing.assert_allclose(taken.left_mva, [40, 90, 90] - np.array([1, 2, 1]) * feeds.load_mva[0])
    np.testing.assert_allclose(taken.reserved_mva, np.array([1, 2, 1]) * feeds.load_mva[0])
    np.testing.assert_allclose(taken.connection_m[0], 1.4 * 1000 * np.array([2.0, np.hypot(1, 2)]))
    third = allocate_headroom(feeds, [1, 0, 2])
    assert third.is_supplied.tolist() == [True, True, False]
    assert third.is_displaced.tolist() == [False, False, True]
    assert PowerLimit(int(third.fails_first[2])) == PowerLimit.SECOND_FEED
    np.testing.assert_allclose(third.growth_mva[2], 90 - 3 * feeds.load_mva[0])
    table = substation_loads(third, frame)
    assert table["n_feeds"].tolist() == [1, 2, 1]
    assert table["left_mva"].is_monotonic_increasing
    said = allocation_fact(third)
    assert "of 3 chosen sites (102.6 MVA) 2 can" in said.en
    assert "1 处单独可供" in said.zh


def _brute(feeds, order, *, is_consuming):
    """The rule of the choice of feeds in plain words, one site after the other."""
    left, chosen = feeds.headroom_mva.copy(), []
    for i in order:
        able = [j for j in range(feeds.station.shape[1]) if feeds.is_in_reach[i, j]
                and left[feeds.station[i, j]] >= feeds.load_mva[i]]

        def common(pair, i=i):
            a, b = feeds.station[i, list(pair)]
            pa, pb = feeds.parent[[a, b]]
            return (pa >= 0 and pa == pb) or pa == feeds.own[b] or pb == feeds.own[a]

        pairs = sorted(combinations(able, 2), key=lambda p, i=i: (common(p, i), feeds.distance_m[i, list(p)].sum(), p))
        chosen.append(feeds.station[i, list(pairs[0])].tolist() if pairs else [-1, -1])
        if pairs and is_consuming:
            left[chosen[-1]] -= feeds.load_mva[i]
    return chosen, left


PLACES = st.tuples(st.integers(0, 12), st.integers(0, 12))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(PLACES, st.sampled_from([35, 110, 220]), st.integers(0, 60),
                          st.sampled_from(["P", "Q", None])), min_size=1, max_size=9),
       st.lists(st.tuples(PLACES, st.sampled_from([200.0, 3_000.0, 8_000.0, 20_000.0])), min_size=1, max_size=8),
       st.randoms(use_true_random=False))
def test_choice_and_consumption_agree_with_brute_force(given_stations, given_sites, random) -> None:
    frame = stations(*((x + 0.01 * i, y + 0.017 * i, kv, mva) for i, ((x, y), kv, mva, _) in enumerate(given_stations)),
                     parent_id=[p for *_, p in given_stations])
    places = sites(*(p for p, _ in given_sites))
    feeds = feeds_for(places, [kw for _, kw in given_sites], 1.3, frame, RULES)
    alone = [feeds.feed[i].tolist() for i in range(len(places))]
    expected = [_brute(feeds, [i], is_consuming=False)[0][0] for i in range(len(places))]
    assert [f if -1 not in f else [-1, -1] for f in alone] == expected
    order = list(range(len(places)))
    random.shuffle(order)
    taken = allocate_headroom(feeds, order)
    chosen, left = _brute(feeds, order, is_consuming=True)
    assert taken.feed.tolist() == chosen
    np.testing.assert_allclose(taken.left_mva, left, atol=1e-9)
    assert (taken.left_mva >= -1e-9).all()
    np.testing.assert_allclose(taken.reserved_mva.sum(), 2 * taken.load_mva[taken.is_supplied].sum())
    # No site's answer depends on the others that are asked about.
    one = feeds_for(places[:1], given_sites[0][1], 1.3, frame, RULES)
    assert (one.feed[0].tolist(), one.fails_first[0]) == (feeds.feed[0].tolist(), feeds.fails_first[0])


def test_three_in_one_needs_headroom_room_and_a_second_feed() -> None:
    frame = stations((0, 0, 110, 20.0), (2, 0, 110, 20.0), (4, 0, 110, 0.1), (30, 0, 110, 20.0), (1, 1, 500, 99.0),
                     (2, 1, 35, 5.0), (3, 1, 35, 5.0), free_area_m2=[900.0, 100.0, 900.0, 900.0, 9e4, np.nan, np.nan])
    frame["certainty"] = "real"
    land = gpd.GeoDataFrame({"land_use": ["vacant", "residential"]}, crs=frame.crs,
                            geometry=[box(2010, 1010, 2050, 1050), box(3010, 1010, 3100, 1100)])
    found = three_in_one_hosts(frame, 1.5, parcels=land).set_index("substation_id")
    assert found["verdict"].to_dict() == {"S0": "fit", "S5": "fit", "S6": "room_unknown", "S1": "no_room",
                                          "S3": "no_second_feed", "S2": "no_headroom"}
    assert found.index[0] == "S0"
    assert found.loc["S5", ["room_m2", "room_basis"]].tolist() == [1600.0, "adjoining"]
    assert found.loc["S0", "it_capacity_kw"] == 250.0
    assert found.loc["S2", "it_capacity_kw"] == pytest.approx(0.1 * 0.95 / 1.5 * 1000)
    assert np.isnan(found.loc["S6", "it_capacity_kw"])
    assert found.loc["S0", "second_feed_id"] == "S1"
    assert found.loc["S0", "second_feed_connection_m"] == pytest.approx(2000 * 1.4)
    assert found["required_area_m2"].iloc[0] == pytest.approx(required_area_m2(250.0, 1.5, TABLE.three_in_one))
    assert required_area_m2(250.0, 1.5, TABLE.three_in_one) == pytest.approx(800 + 0.75 * 60)
    assert three_in_one_hosts(frame[frame["voltage_kv"] > 400], 1.5).empty


def test_an_outline_is_room_beyond_the_yard_and_a_parent_is_heeded() -> None:
    frame = stations((0, 0, 110, 20.0), (1, 0, 110, 20.0), (2, 0, 110, 20.0), parent_id=["P", "P", "Q"])
    frame.loc[0, "geometry"] = box(-50, -40, 50, 40)
    frame["certainty"] = "real"
    found = three_in_one_hosts(frame, 1.5).set_index("substation_id")
    assert found.loc["S0", ["room_m2", "room_basis", "verdict"]].tolist() == [2000.0, "outline", "fit"]
    assert found.loc["S0", ["second_feed_id", "independence"]].tolist() == ["S2", "independent"]


def test_a_larger_centre_than_an_edge_centre_is_not_hosted() -> None:
    frame = stations((0, 0, 110, 20.0), (1, 0, 110, 20.0), free_area_m2=[9e4, 9e4])
    assert three_in_one_hosts(frame, 1.5, it_load_kw=5_000.0)["it_capacity_kw"].max() == 250.0


def test_feeds_of_a_whole_city(zhengzhou_layers: CityLayers) -> None:
    parcels, frame = zhengzhou_layers.frame("parcels"), zhengzhou_layers.frame("substations")
    site_class = load_pack("zhengzhou").site_class("large")
    feeds = feeds_for(parcels.geometry.array, site_class.it_load_kw, site_class.pue_max, frame,
                      rules_of_class(site_class))
    table = feeds_table(feeds, frame)
    assert len(table) == len(parcels)
    assert 0 < feeds.is_supplied.sum() < len(parcels)
    supplied = table[table["is_supplied"]]
    assert (supplied["feed_a_distance_m"] <= supplied["feed_b_distance_m"]).all()
    assert (supplied["feed_b_distance_m"] <= site_class.feed_radius_m).all()
    assert (supplied[["feed_a_headroom_mva", "feed_b_headroom_mva"]].min(axis=1) >= feeds.load_mva[0]).all()
    assert (supplied["feed_a_voltage_kv"] >= site_class.supply_voltage_kv).all()
    taken = allocate_headroom(feeds, np.arange(len(parcels)))
    assert (taken.left_mva[np.isfinite(taken.left_mva)] >= -1e-9).all()
    assert taken.is_displaced.any()
    again = feeds_table(feeds_for(parcels.geometry.array[:50], site_class.it_load_kw, site_class.pue_max, frame,
                                  rules_of_class(site_class)), frame)
    assert again.equals(table.iloc[:50])
