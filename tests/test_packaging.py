"""The two lists of dependencies agree, the wheel holds what a run needs, and the rooms are typed."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("gis", "layers", "siting", "maps", "suanzhi")


def requirements(lines: list[str]) -> dict[str, str]:
    """Split ``name>=1,<2`` into name and bounds."""
    found = {}
    for line in lines:
        match = re.match(r"^([A-Za-z0-9_.-]+)\s*(.*)$", line)
        assert match, line
        found[match[1].lower()] = match[2].replace(" ", "")
    return found


def test_environment_and_project_say_the_same() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = requirements(project["dependencies"] + [r for extra in project["optional-dependencies"].values()
                                                     for r in extra])
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    items = [m[1].strip() for m in re.finditer(r"^\s+- (.+)$", text, re.M)]
    given = requirements([i for i in items if not i.startswith(("-e", "python ", "pip", "conda-forge"))])
    assert given == wanted
    python = next(i for i in items if i.startswith("python "))
    assert project["requires-python"] == python.split()[1].split(",")[0]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from hatchling.builders.wheel import WheelBuilder
    folder = tmp_path_factory.mktemp("wheel")
    return Path(next(WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])))


def test_wheel_holds_every_file_of_the_rooms(wheel: Path) -> None:
    tracked = subprocess.run(["git", "ls-files", *ROOMS], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    expected = {name for name in tracked.stdout.splitlines() if not Path(name).name.startswith(".")}
    assert expected
    assert expected <= held


def test_installed_wheel_answers(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = ("import siting.city_pack as c, json; "
            "print(json.dumps({city: len(c.load_pack(city).rules) for city in c.list_packs()}), c.__file__)")
    found = subprocess.run([sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"],
                           capture_output=True, text=True, check=True, cwd=tmp_path)
    assert '"zhengzhou"' in found.stdout
    assert str(tmp_path) in found.stdout


def test_every_room_is_typed() -> None:
    assert all((ROOT / room / "py.typed").exists() for room in ROOMS)


def test_version_stands_in_the_changelog() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    import suanzhi
    assert suanzhi.__version__ == project["version"]
    assert f"## {project['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
