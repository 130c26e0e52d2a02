"""The command compare: its files, what it prints, and how it fails."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from maps.outputs import write_outputs


def suanzhi(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "suanzhi", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def studies(tmp_path_factory) -> Path:
    path = Path(__file__).resolve().parents[1] / "maps" / "conftest.py"
    spec = importlib.util.spec_from_file_location("small_study_to_compare", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    root = tmp_path_factory.mktemp("studies")
    write_outputs(module.build_small_result(), root / "one")
    return root


def test_compare_writes_page_table_and_layer(studies, tmp_path):
    one, out = str(studies / "one"), str(tmp_path / "out")
    done = suanzhi("compare", one, one, "--out", out, "--lang", "en")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"compare.html", "changes.csv", "changes.geojson"}
    assert "Large data centre\t0 entered the top list, 0 left" in done.stdout
    assert '<html lang="en">' in (tmp_path / "out" / "compare.html").read_text(encoding="utf-8")
    quiet = suanzhi("compare", one, one, "--out", out, "--quiet")
    assert quiet.stdout.strip() == str(tmp_path / "out" / "compare.html")


def test_compare_refuses_in_one_sentence(studies, tmp_path):
    missing = suanzhi("compare", str(studies / "one"), str(tmp_path), "--out", str(tmp_path / "out"))
    assert missing.returncode == 3
    assert missing.stderr.count("\n") == 1
    assert "不是已完成的方案目录" in missing.stderr
    other = tmp_path / "other"
    other.mkdir()
    for name in ("parcels.csv", "manifest.json"):
        (other / name).write_bytes((studies / "one" / name).read_bytes())
    manifest = json.loads((other / "manifest.json").read_text(encoding="utf-8"))
    manifest["pack"]["city"] = "tianfu"
    (other / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    refused = suanzhi("compare", str(studies / "one"), str(other), "--out", str(tmp_path / "out"), "--lang", "en")
    assert refused.returncode == 2
    assert "their cities differ (zhengzhou and tianfu)" in refused.stderr
    assert not (tmp_path / "out").exists()
