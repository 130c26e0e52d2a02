"""Batches change nothing: ranks, counts and tables are those of a run in one piece; the best are the best."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from gis.engines import Engine, ProcessEngine, SerialEngine
from gis.errors import InfeasibleError, LayerError, LayerNotFoundError
from layers.loading import load_layers
from layers.types import CityLayers, LayerSpec
from siting.city_pack import load_pack
from siting.large_study import LargeLayer, LargeStudy, layer_in_batches, run_large_study
from siting.large_tally import Tally
from siting.study import layer_specs, run_study
from siting.study_file import default_study
from siting.tables import contribution_table, summary_by_rule, summary_by_zone, top_candidates
from siting.types import StudyResult

PACK = load_pack("zhengzhou")
STUDY = replace(default_study("zhengzhou"), n_facilities=0, n_top=10)
N_BEST = 25


@pytest.fixture(scope="module")
def spec(zhengzhou_layers: CityLayers, tmp_path_factory: pytest.TempPathFactory) -> LayerSpec:
    """Return a file of parcels: some twice the same but for their ids, some outside, one that cannot be used."""
    given = zhengzhou_layers.frame("parcels").drop(columns="certainty")
    twins = given.iloc[100:160].assign(parcel_id=[f"T{i:03d}" for i in range(60)])
    bad = given.iloc[:2].assign(parcel_id=["bad", "far"])
    parcels = gpd.GeoDataFrame(pd.concat([given.iloc[:200], twins, given.iloc[200:], bad], ignore_index=True),
                               geometry="geometry", crs=given.crs)
    parcels.loc[460, "geometry"] = None
    parcels.loc[461, "geometry"] = parcels.geometry[0].buffer(1.0).centroid.buffer(5.0)
    path = tmp_path_factory.mktemp("large") / "parcels.parquet"
    parcels.to_parquet(path, row_group_size=77)
    return LayerSpec(name="parcels", source="vector_file", path=str(path))


@pytest.fixture(scope="module")
def others(spec: LayerSpec) -> CityLayers:
    specs = [s for s in layer_specs(PACK, STUDY) if s.name != "parcels"]
    return load_layers(specs, metric_crs=PACK.metric_crs, seed=STUDY.seed)


@pytest.fixture(scope="module")
def whole(spec: LayerSpec) -> StudyResult:
    specs = [*(s for s in layer_specs(PACK, STUDY) if s.name != "parcels"), spec]
    return run_study(load_layers(specs, metric_crs=PACK.metric_crs, seed=STUDY.seed), PACK, STUDY)


def in_batches(others: CityLayers, spec: LayerSpec, folder: Path, **settings: Any) -> LargeStudy:
    settings = {"study": STUDY, "n_best": N_BEST, "rows_per_batch": 90, "rows_per_partition": 40, **settings}
    return run_large_study(others, LargeLayer(spec, 462), PACK, settings.pop("study"), parts_folder=folder, **settings)


ENGINES: dict[str, Callable[[], Engine]] = {"serial": SerialEngine, "processes": lambda: ProcessEngine(2)}


@pytest.mark.parametrize("engine", ENGINES)
def test_tables_are_those_of_a_run_in_one_piece(others: CityLayers, spec: LayerSpec, whole: StudyResult,
                                                tmp_path: Path, engine: str) -> None:
    found = in_batches(others, spec, tmp_path / "parts", engine=ENGINES[engine]())
    parts = list(found.parts())
    assert len(parts) == 6
    tables = [pd.DataFrame(contribution_table(part)).astype(object) for part in parts]
    assert_frame_equal(pd.concat(tables, ignore_index=True), pd.DataFrame(contribution_table(whole)).astype(object))
    for i, scores in enumerate(whole.scores):
        ranks = np.concatenate([part.scores[i].rank for part in parts])
        assert ranks.tolist() == scores.rank.tolist()
    assert found.result.census == whole.census
    for class_id in ("large", "edge"):
        assert_frame_equal(summary_by_zone(found.result, class_id), summary_by_zone(whole, class_id))
        assert_frame_equal(summary_by_rule(found.result, class_id), summary_by_rule(whole, class_id))


def test_result_holds_the_best_of_each_class(others: CityLayers, spec: LayerSpec, whole: StudyResult,
                                             tmp_path: Path) -> None:
    result = in_batches(others, spec, tmp_path).result
    rank = np.stack([s.rank for s in whole.scores])
    best = ((rank > 0) & (rank <= N_BEST)).any(axis=0)
    assert N_BEST <= len(result.candidates) < 2 * N_BEST + 1
    assert result.candidates["parcel_id"].tolist() == whole.candidates["parcel_id"][best].tolist()
    for own, all_ in zip(result.scores, whole.scores, strict=True):
        assert own.rank.tolist() == all_.rank[best].tolist()
        assert own.raw.tobytes() == all_.raw[best].tobytes()
    assert_frame_equal(pd.DataFrame(top_candidates(result)), pd.DataFrame(top_candidates(whole)))
    assert any("All 461 candidates were scored" in fact.en and f"the {N_BEST} best" in fact.en
               for fact in result.facts)
    assert result.trust is not None and "of 461 in all" in result.trust.facts[-1].en


def test_every_row_is_accounted_for(others: CityLayers, spec: LayerSpec, whole: StudyResult, tmp_path: Path) -> None:
    layers = in_batches(others, spec, tmp_path).result.city_layers
    own, expected = (next(p for p in x.provenance if p.layer == "parcels") for x in (layers, whole.city_layers))
    assert own.ledger.read == 462
    assert own.ledger.rejected == 1
    assert own == expected
    assert [p.layer for p in layers.provenance] == [p.layer for p in whole.city_layers.provenance]
    assert layers.missing == whole.city_layers.missing
    assert "parcels" not in layers.missing


class Counting:
    """An engine that counts what it is given."""

    def __init__(self, stop_after: int = 1_000) -> None:
        self.n_done, self.stop_after = 0, stop_after

    def run(self, work: Any, items: Iterable[Any], shared: Any) -> Generator[tuple[int, Any]]:
        """Do the work until it is enough."""
        for answer in SerialEngine().run(work, items, shared):
            if self.n_done == self.stop_after:
                raise KeyboardInterrupt
            self.n_done += 1
            yield answer


def test_resumed_from_batches_that_are_finished(others: CityLayers, spec: LayerSpec, whole: StudyResult,
                                                tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        in_batches(others, spec, tmp_path, engine=Counting(7))
    kept = sorted(tmp_path.glob("*/*.part"))
    assert len(kept) == 2
    kept[0].write_bytes(kept[0].read_bytes()[:-1])
    engine = Counting()
    found = in_batches(others, spec, tmp_path, engine=engine)
    assert engine.n_done == 16 - 3
    assert found.result.census == whole.census
    again = Counting(0)
    assert in_batches(others, spec, tmp_path, engine=again).result.census == whole.census
    for part in tmp_path.glob("*/*.part"):
        part.unlink()
    ids = [key for part in found.parts() for key in part.candidates["parcel_id"]]
    assert ids == whole.candidates["parcel_id"].tolist()


def test_parts_of_other_sizes_or_files_are_not_reused(others: CityLayers, spec: LayerSpec, tmp_path: Path) -> None:
    in_batches(others, spec, tmp_path / "parts")
    engine = Counting()
    in_batches(others, spec, tmp_path / "parts", engine=engine, rows_per_batch=200)
    assert engine.n_done > 0
    fewer = tmp_path / "parcels.parquet"
    gpd.read_parquet(spec.path).iloc[:300].to_parquet(fewer)
    engine = Counting()
    in_batches(others, replace(spec, path=str(fewer)), tmp_path / "parts", engine=engine, rows_per_batch=200)
    assert engine.n_done > 0


def test_a_file_that_changes_meanwhile_is_refused(others: CityLayers, spec: LayerSpec, tmp_path: Path) -> None:
    copy = tmp_path / "parcels.parquet"
    copy.write_bytes(Path(spec.path).read_bytes())
    found = in_batches(others, replace(spec, path=str(copy)), tmp_path / "parts")
    gpd.read_parquet(copy).iloc[:300].to_parquet(copy)
    with pytest.raises(LayerError, match="was changed while the study ran"):
        list(found.parts())


def test_no_eligible_and_no_parcel_are_the_same_sentences(others: CityLayers, spec: LayerSpec, tmp_path: Path) -> None:
    parcels = gpd.read_parquet(spec.path).iloc[:50]
    tiny = tmp_path / "tiny.parquet"
    parcels.set_geometry(parcels.geometry.representative_point().buffer(5)).to_parquet(tiny)
    study = replace(STUDY, classes=("large",))
    with pytest.raises(InfeasibleError, match=r"none of 50 candidates is eligible; most fail \S*min_area-large"):
        in_batches(others, replace(spec, path=str(tiny)), tmp_path / "a", study=study)
    empty = tmp_path / "empty.parquet"
    parcels.iloc[:0].to_parquet(empty)
    with pytest.raises(LayerNotFoundError, match='layer "parcels" has no rows'):
        in_batches(others, replace(spec, path=str(empty)), tmp_path / "b", study=study)


def test_what_is_read_in_batches(spec: LayerSpec, tmp_path: Path) -> None:
    assert layer_in_batches([spec], PACK, STUDY, largest=461) == LargeLayer(spec, 462)
    assert layer_in_batches([spec], PACK, STUDY, largest=462) is None
    assert layer_in_batches([spec, spec], PACK, STUDY, largest=10) is None
    assert layer_in_batches([spec], PACK, replace(STUDY, candidates="grid"), largest=10) is None
    assert layer_in_batches([replace(spec, path=str(tmp_path / "no.parquet"))], PACK, STUDY, largest=10) is None
    rule = replace(PACK.rules[0], test="setback", layer="parcels", site_classes=(), gb50174_classes=())
    assert layer_in_batches([spec], replace(PACK, rules=(rule,)), STUDY, largest=10) is None


def test_little_is_held_of_many(whole: StudyResult) -> None:
    """Best candidates that are beaten later are let go."""
    order = np.argsort(whole.scores[0].score)
    tally = Tally(("large",), 10)
    for number, rows in enumerate(np.array_split(order, 20)):
        own = replace(whole.scores[0], **{n: getattr(whole.scores[0], n)[rows] for n in
                                          ("score", "rank", "raw", "data_coverage")},
                      permissions=[whole.scores[0].permissions[i] for i in rows],
                      exclusions=replace(whole.scores[0].exclusions,
                                         measured=whole.scores[0].exclusions.measured[rows],
                                         shortfall=np.zeros_like(whole.scores[0].exclusions.shortfall[rows])))
        tally.add(number, whole.candidates.iloc[rows], {"x": rows}, [own])
        assert sum(len(kept.rows) for kept in tally._kept.values()) <= 13 + 24
    ranks = tally.ranks()
    candidates, columns = tally.best(ranks)
    assert len(candidates) == 10
    assert columns["x"].tolist() == [r for r in order.tolist() if r in set(columns["x"].tolist())]
    assert sorted(columns["large/rank"]) == list(range(1, 11))
