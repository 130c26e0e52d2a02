"""The main job on a small city: its laws, its settings, and the sentence where there is no answer."""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest

from gis.errors import InfeasibleError, UsageError
from layers.types import CityLayers
from siting.city_pack import load_pack
from siting.scoring import contributions_at
from siting.study import applied, layer_specs, run_study
from siting.study_file import default_study
from siting.types import StudyResult

PACK = load_pack("zhengzhou")
STUDY = default_study("zhengzhou")


def with_parcels(layers: CityLayers, parcels: gpd.GeoDataFrame) -> CityLayers:
    return replace(layers, frames={**layers.frames, "parcels": parcels.reset_index(drop=True)})


def scores_by_id(result: StudyResult, class_id: str) -> dict[str, float]:
    return dict(zip(result.candidates["parcel_id"], result.scores_for(class_id).score, strict=True))


def test_every_candidate_is_kept_and_measured(zhengzhou_result: StudyResult) -> None:
    assert len(zhengzhou_result.candidates) == 400
    assert [s.site_class.class_id for s in zhengzhou_result.scores] == ["large", "edge"]
    for scores in zhengzhou_result.scores:
        assert len(scores.criteria) >= 14
        assert scores.raw.shape == (400, len(scores.criteria))
        np.testing.assert_allclose(contributions_at(scores, slice(None)).sum(axis=1), scores.score)
        assert ((scores.score >= 0) & (scores.score <= 1)).all()
        assert ((scores.data_coverage > 0.5) & (scores.data_coverage <= 1)).all()


def test_excluded_is_never_chosen_and_says_why(zhengzhou_result: StudyResult) -> None:
    scores = zhengzhou_result.scores_for("large")
    assert scores.eligible.any()
    assert not scores.eligible.all()
    assert (scores.rank[~scores.eligible] == 0).all()
    assert sorted(scores.rank[scores.eligible]) == list(range(1, scores.eligible.sum() + 1))
    table = scores.exclusions
    assert (table.broken & table.excludes).any(axis=1).tolist() == (~scores.eligible).tolist()


def test_order_of_rows_does_not_matter(zhengzhou_layers: CityLayers, zhengzhou_result: StudyResult) -> None:
    shuffled = with_parcels(zhengzhou_layers, zhengzhou_layers.frame("parcels").sample(frac=1, random_state=3))
    again = run_study(shuffled, PACK, replace(STUDY, classes=("large",)))
    expected = scores_by_id(zhengzhou_result, "large")
    for parcel_id, score in scores_by_id(again, "large").items():
        assert score == pytest.approx(expected[parcel_id], abs=1e-12)
    ranks = [dict(zip(r.candidates["parcel_id"], r.scores_for("large").rank, strict=True))
             for r in (again, zhengzhou_result)]
    assert ranks[0] == ranks[1]


def test_a_parcel_less_changes_no_other_score(zhengzhou_layers: CityLayers, zhengzhou_result: StudyResult) -> None:
    fewer = with_parcels(zhengzhou_layers, zhengzhou_layers.frame("parcels").iloc[50:])
    expected = scores_by_id(zhengzhou_result, "large")
    for parcel_id, score in scores_by_id(run_study(fewer, PACK, replace(STUDY, classes=("large",))), "large").items():
        assert score == pytest.approx(expected[parcel_id], abs=1e-12)


def test_a_nearer_substation_never_lowers_a_score(zhengzhou_layers: CityLayers, zhengzhou_result: StudyResult) -> None:
    """A station at the gate, of any voltage and with room to spare, can only help a parcel."""
    parcels = zhengzhou_layers.frame("parcels")
    stations = zhengzhou_layers.frame("substations")
    gate = stations.iloc[:1].assign(substation_id="gate", voltage_kv=110.0, headroom_mva=500.0)
    gate = gate.set_geometry(parcels.geometry.iloc[[7]].representative_point().set_axis(gate.index))
    more = gpd.GeoDataFrame(np.vstack([stations, gate]), columns=stations.columns, geometry="geometry",
                            crs=stations.crs).astype(stations.dtypes.drop("geometry").to_dict())
    layers = replace(zhengzhou_layers, frames={**zhengzhou_layers.frames, "substations": more})
    result = run_study(layers, PACK, replace(STUDY, classes=("large",)))
    parcel_id = parcels["parcel_id"].iloc[7]
    before, after = (scores_by_id(r, "large")[parcel_id] for r in (zhengzhou_result, result))
    assert after >= before


def test_missing_layer_lowers_coverage_and_is_reported(zhengzhou_layers: CityLayers,
                                                       zhengzhou_result: StudyResult) -> None:
    frames = {k: v for k, v in zhengzhou_layers.frames.items() if k != "fibre_routes"}
    result = run_study(replace(zhengzhou_layers, frames=frames), PACK, replace(STUDY, classes=("large",)))
    weight = sum(c.weight for c in PACK.criteria_for("large") if c.criterion_id in ("fibre_distance_m",
                                                                                    "route_diversity"))
    np.testing.assert_allclose(result.scores_for("large").data_coverage,
                               zhengzhou_result.scores_for("large").data_coverage - weight)
    assert any("Distance to fibre" in fact.en for fact in result.facts)


def test_mitigation_turns_exclusion_into_penalty(zhengzhou_layers: CityLayers, zhengzhou_result: StudyResult) -> None:
    study = replace(STUDY, classes=("large",), mitigations=(("GB-A-motorway", "降噪与防撞设施"),))
    eased = run_study(zhengzhou_layers, PACK, study).scores_for("large")
    strict = zhengzhou_result.scores_for("large")
    assert eased.eligible.sum() > strict.eligible.sum()
    gained = eased.eligible & ~strict.eligible
    assert (eased.score[gained] <= strict.score[gained] + 1e-12).all()


def test_own_weights_replace_the_packs() -> None:
    own = replace(STUDY, weights=(("large", "power_distance_m", 0.75), ("large", "policy_fit", 0.25)))
    weights = {c.criterion_id: c.weight for c in applied(PACK, own).criteria_for("large") if c.weight}
    assert weights == {"power_distance_m": 0.75, "policy_fit": 0.25}
    assert applied(PACK, own).criteria_for("edge") == PACK.criteria_for("edge")


@pytest.mark.parametrize(("change", "sentence"), [
    ({"classes": ("larg",)}, "did you mean 'large'"),
    ({"weights": (("large", "power_distance_m", 0.5),)}, "sum to 0.5"),
    ({"weights": (("large", "power_distance", 1.0),)}, "did you mean 'power_distance_m'"),
    ({"mitigations": (("GB-A-motorways", "x"),)}, "did you mean 'GB-A-motorway'"),
])
def test_unknown_names_are_refused(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        applied(PACK, replace(STUDY, **change))  # type: ignore[arg-type]


def test_no_eligible_parcel_names_the_rule(zhengzhou_layers: CityLayers) -> None:
    tiny = zhengzhou_layers.frame("parcels").copy()
    tiny["geometry"] = tiny.geometry.representative_point().buffer(5)
    with pytest.raises(InfeasibleError, match="min_area-large"):
        run_study(with_parcels(zhengzhou_layers, tiny), PACK, replace(STUDY, classes=("large",)))


def test_more_edge_centres_than_hosts_is_refused(zhengzhou_layers: CityLayers) -> None:
    with pytest.raises(InfeasibleError, match="hosts lie within"):
        run_study(zhengzhou_layers, PACK, replace(STUDY, n_facilities=100_000))


def test_edge_plan_keeps_its_promises(zhengzhou_layers: CityLayers, zhengzhou_result: StudyResult) -> None:
    plan = zhengzhou_result.edge_plan
    assert plan is not None
    centres, settings = plan.edge_centres, PACK.edge
    assert len(centres) == plan.n_facilities == settings.n_facilities == 20
    assert centres["host_id"].is_unique
    assert (centres["feed_a_id"] != centres["feed_b_id"]).all()
    assert (centres["feed_a_distance_m"] <= settings.feed_radius_m).all()
    demand = plan.demand
    covered = demand[demand["covered"]]
    assert covered["demand"].sum() == pytest.approx(plan.demand_covered)
    assert (covered["distance_m"] <= plan.service_radius_m).all()
    at = centres.set_index("edge_centre_id").geometry
    found = covered.geometry.distance(gpd.GeoSeries(at.loc[covered["edge_centre_id"]].to_numpy(), index=covered.index,
                                                    crs=covered.crs))
    np.testing.assert_allclose(found, covered["distance_m"], atol=0.06)
    assert plan.coverage.within(zhengzhou_layers.area_of_interest.buffer(0.01)).all()


def test_grid_has_the_columns_of_parcels(zhengzhou_layers: CityLayers) -> None:
    study = replace(STUDY, candidates="grid", grid_size_m=3_000.0, classes=("large",), n_facilities=0)
    result = run_study(zhengzhou_layers, PACK, study)
    assert {"parcel_id", "land_use", "area_m2", "compactness", "unit_id", "zone_id", "district",
            "certainty"} <= set(result.candidates.columns)
    assert result.candidates["parcel_id"].is_unique
    assert result.candidates.area.max() <= 9e6 + 1
    assert result.candidates.area.min() >= 4.5e6 - 1
    assert result.edge_plan is None
    assert "parcels" not in {s.name for s in layer_specs(PACK, study)}


def test_latency_is_reported_and_not_scored(zhengzhou_result: StudyResult) -> None:
    assert "ms one way" in zhengzhou_result.facts[0].en
    assert not any("latency" in c.criterion_id for c in PACK.criteria)
