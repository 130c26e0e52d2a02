"""City knowledge is data: no name of a shipped city steers the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from siting.city_pack import list_packs, load_pack

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("gis", "layers", "siting", "maps", "suanzhi")

WELL_KNOWN = ("郑州", "成都", "天府", "河南", "四川", "zhengzhou", "chengdu", "tianfu", "henan", "sichuan", "helsinki",
              "410100", "510100", "410000", "510000", "4101", "5101")

NO_PROPER_NAMES = {"national", "100000"}
"""Key and code of the whole country: an everyday word, and a round number."""

ALLOWED = {
    ("layers/sources/boundaries.py", "410100"): "an example of six digits inside an error message",
}
"""Strings that name a city and steer nothing: file and name, with the reason."""


def names_of_shipped_cities() -> list[str]:
    """Keys, codes, titles and the names of all units of every pack that ships."""
    found = set(WELL_KNOWN)
    for city in list_packs():
        pack = load_pack(city)
        found |= {pack.city, pack.adcode, pack.title.zh, pack.title.en.lower()}
        for unit in pack.units:
            found |= {unit.title.zh, *unit.names}
            # Short Latin keys ("airport") are words of any language; proper names are long.
            found |= {unit.unit_id} if len(unit.unit_id) > 7 else set()
    # The longest first, so that a code is found whole.
    proper = (name for name in found - NO_PROPER_NAMES if len(name) > 1)
    return sorted(proper, key=lambda name: (-len(name), name))


def words_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield what steers a module: identifiers and strings, without docstrings and comments."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {id(node.value) for node in ast.walk(tree)
                     if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | int) and id(node) not in documentation:
            yield node.lineno, str(node.value)
        elif isinstance(node, ast.Name | ast.FunctionDef | ast.ClassDef | ast.Attribute | ast.arg | ast.keyword):
            name = getattr(node, "id", None) or getattr(node, "name", None) or getattr(node, "attr", None) \
                or getattr(node, "arg", None)
            yield getattr(node, "lineno", 0), str(name)


def found_in(path: Path, names: list[str]) -> list[tuple[str, int, str]]:
    relative = path.relative_to(ROOT).as_posix()
    pattern = re.compile("|".join(re.escape(name) for name in names), re.IGNORECASE)
    return [(relative, line, hit[0]) for line, word in words_of(path) for hit in pattern.finditer(word)
            if (relative, hit[0].lower()) not in ALLOWED]


@pytest.mark.parametrize("room", ROOMS)
def test_no_city_steers_the_code(room: str) -> None:
    names = names_of_shipped_cities()
    assert len(names) > 40
    modules = sorted((ROOT / room).rglob("*.py"))
    assert modules
    assert [hit for path in modules for hit in found_in(path, names)] == []


def test_map_panel_knows_no_city() -> None:
    pattern = re.compile("|".join(re.escape(name) for name in names_of_shipped_cities()), re.IGNORECASE)
    scripts = sorted((ROOT / "maps/panel").rglob("*.js"))
    assert scripts
    assert {path.name: pattern.findall(path.read_text(encoding="utf-8")) for path in scripts
            if pattern.search(path.read_text(encoding="utf-8"))} == {}


def test_the_search_finds_a_city_in_code_and_not_in_a_docstring(tmp_path: Path) -> None:
    module = tmp_path / "layers.py"
    module.write_text('"""Zhengzhou in a docstring."""\nif city == "Zhengzhou":\n    zhengzhou_offset = 410100\n',
                      encoding="utf-8")
    found = [word for _, word in words_of(module)]
    assert "Zhengzhou" in found
    assert "zhengzhou_offset" in found
    assert "410100" in found
    assert "Zhengzhou in a docstring." not in found


def test_every_exception_is_still_needed() -> None:
    for (file, name), reason in ALLOWED.items():
        assert reason
        assert any(name in word for _, word in words_of(ROOT / file)), file
