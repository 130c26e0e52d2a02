"""``suanzhi check`` before the command line: what it reports of a study, as lines and as JSON."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

from layers.checking import CheckReport
from suanzhi.checking import check_study, lines, record
from suanzhi.console import Console

CONSOLE = Console(language="zh", is_quiet=True, shows_traceback=False)
TABLE = "id,lon,lat\ns1,113.61,34.75\ns1,113.62,34.76\ns3,,34.7\ns4,113.63,34.77\n\x1b[2Jx,113.64,34.7\n"


def _study(folder: Path, text: str) -> CheckReport:
    (folder / "stations.csv").write_text(TABLE, encoding="utf-8")
    path = folder / "own.toml"
    path.write_text('city = "zhengzhou"\nn_parcels = 60\n' + text, encoding="utf-8")
    return check_study(str(path), CONSOLE)


STATIONS = '[layers.base_stations]\npath = "stations.csv"\ncolumns = { station_id = "id", lon = "lon", lat = "lat" }\n'


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> CheckReport:
    return _study(tmp_path_factory.mktemp("good"), STATIONS + 'datum = "gcj02"\n')


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> CheckReport:
    return _study(tmp_path_factory.mktemp("bad"), 'classes = ["larg"]\n' + STATIONS + """
[layers.parcels]
source = "none"
[layers.substations]
path = "nowhere.geojson"
[edge]
n_facilities = 3
[weights.large]
nonsense = 1.0
[weights.edge]
power_distance_m = 0.4
[mitigations]
"no-such-rule" = "none"
""")


def test_a_good_study_can_run_and_every_row_is_told(good: CheckReport) -> None:
    assert good.can_run
    assert (good.name, good.metric_crs, good.exit_code) == ("own", "EPSG:4547", 0)
    assert good.layer("parcels").n_used == 60
    found = next(layer for layer in record(good)["layers"] if layer["layer"] == "base_stations")
    source, = found["sources"]
    assert source["rows"] == {"read": 5, "accepted": 3, "repaired": 1, "rejected": 1, "noted": 0}
    assert (source["file"], source["datum"], source["state"]) == ("stations.csv", "gcj02 (declared)", "ready")
    assert sorted((r["action"], r["rows"]) for r in source["remarks"]) == [("rejected", 1), ("repaired", 1)]
    assert "s1~2" in {r["feature_id"] for r in source["remarks"]}
    assert source["inside"] == 4


def test_json_keys_stay(good: CheckReport, bad: CheckReport) -> None:
    for report in (good, bad):
        found = json.loads(json.dumps(record(report), allow_nan=False))
        assert set(found) == {"format", "name", "metric_crs", "can_run", "exit_code", "problems", "layers"}
        for layer in found["layers"]:
            assert set(layer) == {"layer", "title", "purpose", "required", "given", "sources"}
            for source in layer["sources"]:
                assert set(source) == {"source", "file", "state", "certainty", "rows", "inside", "outside",
                                       "extent_share", "datum", "crs", "missing_fields", "remarks", "problems"}
    assert all(set(problem) == {"layer", "exit_code", "text"} for problem in record(bad)["problems"])


def test_everything_wrong_with_study_and_layers_is_told_at_once(bad: CheckReport) -> None:
    told = "\n".join(problem.text.en for problem in bad.all_problems)
    assert len(bad.all_problems) == 7
    for part in ("'larg'; known", "unknown rule 'no-such-rule'", "unknown criterion 'nonsense'",
                 "weights of class 'edge' sum to 0.4", "needs the layer parcels", "nowhere.geojson",
                 "[layers.base_stations]"):
        assert part in told
    assert bad.exit_code == 2
    assert bad.layer("roads").n_used > 0


def test_the_likely_datum_joins_the_complaint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}

    class Finder:
        def __init__(self, adcode: str, known: dict[str, object]) -> None:
            seen.update(known, adcode=adcode)

        def __call__(self, spec: object, frame: object) -> None:
            return None

    monkeypatch.setattr("layers.datum_finding.DatumFinder", Finder)
    assert not _study(tmp_path, STATIONS).can_run
    assert seen["adcode"] == "410100"
    assert "districts" in seen
    assert not {"roads", "parcels", "base_stations"} & set(seen), "synthetic layers tell no datum"


def test_lines_are_aligned_in_both_languages_and_hold_no_control_characters(good: CheckReport) -> None:
    for language, heading in (("zh", "图层"), ("en", "layer")):
        told = list(lines(good, language))  # type: ignore[arg-type]
        start = next(i for i, line in enumerate(told) if line.startswith(heading))
        table = told[start:told.index("", start)]
        assert len(table) == 1 + sum(len(layer.sources) for layer in good.layers)
        columns = {sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line[:line.index("  ")].rstrip())
                   for line in table}
        assert len(columns) > 1, "cells differ in width, and yet:"
        second = {_column_of_second_cell(line) for line in table}
        assert len(second) == 1
        assert all(c.isprintable() for line in told for c in line)


def _column_of_second_cell(line: str) -> int:
    gap = line.index("  ")
    cell = gap + len(line[gap:]) - len(line[gap:].lstrip())
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line[:cell])


def test_verdict_reasons_and_lacks_are_in_the_lines(good: CheckReport, bad: CheckReport) -> None:
    chinese, english = "\n".join(lines(good, "zh")), "\n".join(lines(bad, "en"))
    assert "可以运行" in chinese.splitlines()[0]
    assert "编号 s1 重复，改为 s1~2" in chinese
    assert "铁路退距" in chinese
    assert "cannot run: 7 to mend" in english.splitlines()[0]
    assert all(f"  {i}. " in english for i in range(1, 8))
    assert "setback from railways" in english


def test_a_grid_lacks_no_parcels(tmp_path: Path) -> None:
    report = _study(tmp_path, 'candidates = "grid"\n[layers.parcels]\nsource = "none"\n')
    assert report.can_run
    assert "parcels" not in [layer.name for layer in report.layers]


def test_a_study_that_cannot_be_read_is_the_one_problem(tmp_path: Path) -> None:
    for name in ("atlantis", str(tmp_path / "none.toml")):
        report = check_study(name, CONSOLE)
        assert len(report.all_problems) == 1
        assert report.exit_code > 0
        assert list(lines(report, "zh"))
        assert record(report)["can_run"] is False
