"""The command: what it prints, how it fails, and what it does not load."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("numpy", "pandas", "geopandas", "shapely", "rasterio", "folium", "numba", "pydantic", "osmnx", "frykit")


def suanzhi(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "suanzhi", *arguments], capture_output=True, text=True, cwd=cwd,
                          check=False, env={**os.environ, "PYTHONWARNINGS": "default", "COLUMNS": "120"})


def test_help_loads_nothing_heavy() -> None:
    code = ("import sys; sys.argv = ['suanzhi', '--help']\nfrom suanzhi.cli import main\n"
            "try: main()\nexcept SystemExit: pass\n"
            f"print('LOADED', [m for m in {HEAVY!r} if m in sys.modules])")
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" in found.stdout
    assert "explain" in found.stdout


@pytest.mark.parametrize(("arguments", "code", "sentence"), [
    (["run", "zhengzho"], 4, "did you mean 'zhengzhou'"),
    (["run", "nowhere.toml"], 2, "no study file"),
    (["rules", "atlantis"], 4, "known: "),
    (["explain", "nowhere", "P1"], 3, "nowhere"),
    (["run", "zhengzhou", "--lang", "fr"], 2, "zh | en"),
    (["run"], 2, "Missing argument"),
    (["frobnicate"], 2, "frobnicate"),
])
def test_wrong_call_is_one_sentence_and_its_code(tmp_path: Path, arguments: list[str], code: int,
                                                 sentence: str) -> None:
    if arguments[0] != "frobnicate" and "--lang" not in arguments:
        arguments = [*arguments, "--lang", "en"]
    found = suanzhi(*arguments, cwd=tmp_path)
    assert found.returncode == code, found.stderr
    assert sentence in found.stderr
    assert "Traceback" not in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_errors_are_chinese_by_default(tmp_path: Path) -> None:
    assert "没有城市包" in suanzhi("run", "atlantis", cwd=tmp_path).stderr


def test_cities() -> None:
    found = suanzhi("cities")
    assert found.returncode == 0
    assert "zhengzhou\t" in found.stdout
    assert "tianfu\t" in found.stdout


@pytest.mark.parametrize("language", ["zh", "en"])
def test_rules_quote_their_clause(language: str) -> None:
    found = suanzhi("rules", "zhengzhou", "--lang", language)
    assert found.returncode == 0
    assert "金水区、二七区、中原区、管城区组成基本功能保障区" in found.stdout
    assert "GB50174-2017" in found.stdout


def test_layers_say_what_they_need() -> None:
    found = suanzhi("layers", "zhengzhou", "--lang", "en")
    assert "voltage_kv [kV]" in found.stdout
    assert "required" in found.stdout
    assert "no data" in found.stdout
