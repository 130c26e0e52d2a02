"""Files of all candidates: the same however the candidates come, in parts or at once."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from maps import exported_layers, outputs, parcel_files
from maps.field_names import chinese_names, chinese_values
from maps.outputs import write_outputs
from maps.parcel_files import write_parcels
from siting.explanation import read_explanation
from siting.tables import contribution_table, parcel_table
from siting.types import SiteScores, StudyResult


def _taken(scores: SiteScores, rows: slice) -> SiteScores:
    table = scores.exclusions
    return dataclasses.replace(
        scores, raw=scores.raw[rows], score=scores.score[rows], rank=scores.rank[rows],
        data_coverage=scores.data_coverage[rows], permissions=scores.permissions[rows],
        exclusions=dataclasses.replace(table, measured=table.measured[rows], shortfall=table.shortfall[rows]))


def _parts(result: StudyResult, *ends: int) -> list[StudyResult]:
    """Cut the candidates; the census stays that of the whole."""
    cuts = [0, *ends, len(result.candidates)]
    return [dataclasses.replace(result, candidates=result.candidates.iloc[a:b].reset_index(drop=True),
                                scores=tuple(_taken(s, slice(a, b)) for s in result.scores))
            for a, b in itertools.pairwise(cuts)]


def _written(result: StudyResult, folder: Path, parts: list[StudyResult] | None = None) -> dict[str, bytes]:
    folder.mkdir()
    names = write_parcels(result, folder, language="zh", parts=parts)
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} == set(names)
    return {name: (folder / name).read_bytes() for name in names}


def test_text_is_the_same_in_parts(small_result, tmp_path, monkeypatch):
    whole = _written(small_result, tmp_path / "whole")
    # Some parts hold no candidate that a rule was tested for, one holds none at all.
    parts = _parts(small_result, 5, 5, 17, 31)
    held = dataclasses.replace(small_result, candidates=parts[0].candidates, scores=parts[0].scores)
    assert _written(held, tmp_path / "parts", parts) == whole
    monkeypatch.setattr(parcel_files, "_ROWS_OF_TEXT", 7)
    assert _written(small_result, tmp_path / "blocks") == whole


def test_parquet_holds_the_same_rows_in_parts(small_result, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(exported_layers, "LARGEST_GEOJSON", 31)
    whole = _written(small_result, tmp_path / "whole")
    parts = _parts(small_result, 5, 17)
    held = dataclasses.replace(small_result, candidates=parts[0].candidates, scores=parts[0].scores)
    again = _written(held, tmp_path / "parts", parts)
    assert whole["layers/parcels_fields.csv"] == again["layers/parcels_fields.csv"]
    for read, name in ((pd.read_parquet, "parcels.parquet"), (gpd.read_parquet, "layers/parcels.parquet")):
        pd.testing.assert_frame_equal(pd.DataFrame(read(tmp_path / "whole" / name)),
                                      pd.DataFrame(read(tmp_path / "parts" / name)))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_text_is_that_of_the_tables(small_result, tmp_path, language):
    write_parcels(small_result, tmp_path, language=language)
    table = pd.DataFrame(contribution_table(small_result, language=language).drop(columns="geometry"))
    options = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}
    found = pd.read_csv(tmp_path / "parcels.csv", **options)
    assert found.columns.tolist() == table.columns.tolist()
    for column in ("unit", "zone", "large_permission_clause", "large_exclusion_rules", "large_permission"):
        assert found[column].tolist() == table[column].astype(object).fillna("").tolist()
    chinese = pd.read_csv(tmp_path / "parcels_zh.csv", **options)
    names, words = chinese_names(table.columns, small_result), chinese_values(table, small_result)
    assert chinese.columns.tolist() == [names[c] for c in table.columns]
    for column in ("unit", "zone", "edge_permission_clause", "edge_penalty_rules", "land_use", "certainty"):
        assert chinese[names[column]].tolist() == words[column].astype(object).fillna("").tolist()
    layer = gpd.read_file(tmp_path / "layers/parcels.geojson")
    english = parcel_table(small_result, language="en")
    assert layer["zone"].tolist() == english["zone"].astype(object).tolist()
    assert np.allclose(layer["large_score"], english["large_score"], equal_nan=True)


@pytest.mark.usefixtures("_light_map")
def test_a_study_that_holds_only_its_best_writes_them_all(small_result, tmp_path):
    rows = slice(4, 12)
    held = dataclasses.replace(small_result, candidates=small_result.candidates.iloc[rows].reset_index(drop=True),
                               scores=tuple(_taken(s, rows) for s in small_result.scores))
    write_outputs(held, tmp_path / "parts", parts=_parts(small_result, 9, 20))
    write_outputs(small_result, tmp_path / "whole")
    for name in ("parcels.csv", "parcels_zh.csv", "layers/parcels.geojson", "layers/parcels_zh.geojson"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    one, other = (json.loads((tmp_path / f / "manifest.json").read_text("utf-8")) for f in ("parts", "whole"))
    assert one["results"]["classes"][0]["n_candidates"] == 32
    assert one["parcels_form"] == other["parcels_form"]
    for site_class in (*one["results"]["classes"], *other["results"]["classes"]):
        del site_class["top_parcel_ids"], site_class["best_score"]
    assert one["results"]["classes"] == other["results"]["classes"]
    assert one["scheme"] == other["scheme"]
    # What was excluded is not held, and can be explained all the same.
    assert read_explanation(tmp_path / "parts", "P-0000") == read_explanation(tmp_path / "whole", "P-0000")


@pytest.fixture
def _light_map(monkeypatch):
    monkeypatch.setattr(outputs, "render_map", lambda result, *, language, progress: "<!DOCTYPE html>")
