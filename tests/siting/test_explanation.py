"""Explanations: from a running study and from its files, word for word the same."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest

from gis.errors import DataError, UsageError
from layers.exports.tables import write_csv
from maps.manifest import build_manifest
from maps.outputs import write_outputs
from siting.census import count_all
from siting.explanation import explain, explain_rows, read_explanation
from siting.scoring import normalised_at
from siting.tables import contribution_table
from siting.types import StudyResult

BUILD = runpy.run_path(str(Path(__file__).parents[1] / "maps" / "conftest.py"))["build_small_result"]
HOSTILE_IDS = {0: "=1+1", 1: 'a,"b"\nline', 2: "\x1b[31mred", 3: "+cmd|x", 4: "地块 一", 5: "a\u2028b", 6: "-12.5"}


@pytest.fixture(scope="module")
def result() -> StudyResult:
    return BUILD()


@pytest.fixture(scope="module")
def written(result, tmp_path_factory) -> Path:
    return write_outputs(result, tmp_path_factory.mktemp("study"), language="zh").out_dir


def _save(result: StudyResult, folder: Path, language: str = "zh") -> None:
    """Write what an explanation is read from, without the map."""
    path = write_csv(contribution_table(result, language=language), folder / "parcels.csv")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest = build_manifest(result, {"parcels.csv": digest})
    (folder / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False), encoding="utf-8")


def test_files_explain_every_parcel_as_the_study_does(result, written):
    for i, parcel_id in enumerate(result.candidates["parcel_id"]):
        from_files = read_explanation(written, parcel_id)
        assert from_files == tuple(explain(result, key, i) for key in ("large", "edge"))


def test_names_that_would_break_a_table_are_read_back(tmp_path):
    result = BUILD()
    result.candidates["name"] = [f"一号,\"地块\" {i}" if i % 2 else None for i in range(len(result.candidates))]
    for row, parcel_id in HOSTILE_IDS.items():
        result.candidates.loc[row, "parcel_id"] = parcel_id
    _save(result, tmp_path, "en")
    for row, parcel_id in HOSTILE_IDS.items():
        assert read_explanation(tmp_path, parcel_id) == tuple(explain(result, k, row) for k in ("large", "edge"))
        said = "".join(explain(result, "large", row).lines("zh"))
        assert said.isprintable()


def test_an_explanation_agrees_with_the_scores(result):
    scores = result.scores_for("large")
    normalised = normalised_at(scores, slice(None))
    everything = explain_rows(result, "large", range(len(result.candidates)))
    for i, explained in enumerate(everything):
        assert explained.eligible == bool(scores.eligible[i]) == (not explained.exclusions)
        assert explained.rank == (int(scores.rank[i]) or None)
        assert sum(c.contribution for c in explained.criteria) == pytest.approx(scores.score[i], abs=5e-6)
        for column, line in enumerate(explained.criteria):
            if np.isnan(normalised[i, column]):
                assert line.normalised is None
            else:
                assert line.normalised == pytest.approx(normalised[i, column], abs=1e-4)


def test_lines_quote_the_clause_and_the_measure(result):
    said = "\n".join(explain(result, "large", 2).lines("zh"))
    assert "结论：排除，违反 2 条强制规则" in said
    assert "距铁路 [GB-A-railway]：实测 250.5 m，要求不小于 800 m" in said
    assert "《郑州市数据中心产业发展规划》“集约建设基本功能保障区”" in said
    assert "适度控制互联网数据中心规模" in said
    english = "\n".join(explain(result, "large", 22).lines("en"))
    assert "distance to petrol station [GB-A-petrol]: measured 310 m, required at least 400 m" in english
    assert "[limit assumed]" in english
    assert "Not tested for lack of data:" in english
    assert "distance to fault [fault]" in english


def test_lines_tell_not_measured_from_none_found(result):
    unknown = "\n".join(explain(result, "large", 5).lines("en"))
    assert "Distance to fibre: not measured (weight 0.250)" in unknown
    nothing = "\n".join(explain(result, "large", 4).lines("en"))
    assert "Distance to supply: 0.0000" in nothing
    assert "none found" in nothing


def test_a_parcel_outside_the_plan_says_so(result):
    explained = explain(result, "large", 31)
    assert explained.permission == ""
    assert "政策：不在任何规划分区内" in explained.lines("zh")
    assert "规划分区之外" in "".join(explained.lines("zh"))


def test_a_mitigated_rule_names_its_measure(tmp_path):
    result = BUILD()
    scores = []
    for own in result.scores:
        excludes = own.exclusions.excludes.copy()
        excludes[1] = False
        scores.append(dataclasses.replace(own, exclusions=dataclasses.replace(own.exclusions, excludes=excludes)))
    study = dataclasses.replace(result.study, mitigations=(("GB-A-railway", "隔振基础"),))
    changed = dataclasses.replace(result, study=study, scores=tuple(scores),
                                  census=count_all(result.candidates, scores))
    explained = explain(changed, "large", 0)
    assert not explained.exclusions
    assert explained.penalties[0].mitigation == "隔振基础"
    assert "缓解措施：隔振基础" in "".join(explained.lines("zh"))
    _save(changed, tmp_path)
    assert read_explanation(tmp_path, "P-0000")[0] == explained


def test_an_unknown_parcel_is_answered_with_near_ones(written):
    with pytest.raises(UsageError) as caught:
        read_explanation(written, "P-00020")
    assert "P-0020" in caught.value.text.en
    assert "P-0020" in caught.value.text.zh
    with pytest.raises(UsageError, match="ids look like"):
        read_explanation(written, "完全不同")


def test_a_folder_without_a_finished_study_is_refused(written, tmp_path):
    with pytest.raises(DataError, match="not a finished study"):
        read_explanation(tmp_path / "nowhere", "P-0020")
    (tmp_path / "manifest.json").write_text("{broken", encoding="utf-8")
    with pytest.raises(DataError, match="not a finished study"):
        read_explanation(tmp_path, "P-0020")
    (tmp_path / "manifest.json").write_text('["not", "ours"]', encoding="utf-8")
    with pytest.raises(DataError, match="not a finished study"):
        read_explanation(tmp_path, "P-0020")
    shutil.copy(written / "manifest.json", tmp_path / "manifest.json")
    with pytest.raises(DataError, match="not a finished study"):
        read_explanation(tmp_path, "P-0020")


def test_an_edited_table_is_not_explained(written, tmp_path):
    for name in ("manifest.json", "parcels.csv"):
        shutil.copy(written / name, tmp_path / name)
    table = (tmp_path / "parcels.csv").read_text(encoding="utf-8-sig")
    (tmp_path / "parcels.csv").write_text(table.replace("250.5<800", "950.5<800"), encoding="utf-8-sig")
    with pytest.raises(DataError, match="run the study again"):
        read_explanation(tmp_path, "P-0020")
