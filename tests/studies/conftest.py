"""Real data that lies beside the checkout, and studies that were run on it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STUDIES = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    folder = (ROOT / "../shared/data").resolve()
    if not folder.is_dir():
        pytest.skip("real data (../shared/data) is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def zhengzhou_metro_csv(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stations of the Zhengzhou metro (GCJ-02), from the operator map's own JSON to a table."""
    lines = json.loads((shared_data / "demand/amap_metro_4101_zhengzhou_gcj02.json").read_text(encoding="utf-8"))["l"]
    stations = {s["n"]: s["sl"].split(",") for line in lines for s in line["st"]}
    path = tmp_path_factory.mktemp("metro") / "metro.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["站名", "经度", "纬度"])
        writer.writerows([name, *at] for name, at in sorted(stations.items()))
    return path


def placed(name: str, folder: Path, shared_data: Path, extra: str = "") -> Path:
    """Copy a study of this folder so that its paths hold from ``folder``."""
    text = (STUDIES / name).read_text(encoding="utf-8").replace("../../../shared/data", shared_data.as_posix())
    path = folder / name
    path.write_text(text + extra, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def zhengzhou_study(shared_data: Path, zhengzhou_metro_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    metro = (f'\n[layers.metro]\npath = "{zhengzhou_metro_csv.as_posix()}"\ndatum = "gcj02"\n'
             'columns = { lon = "经度", lat = "纬度", name = "站名" }\nattribution = "高德"\n')
    return placed("zhengzhou_real.toml", tmp_path_factory.mktemp("zhengzhou"), shared_data, metro)


@pytest.fixture(scope="session")
def tianfu_study(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return placed("tianfu_real.toml", tmp_path_factory.mktemp("tianfu"), shared_data)
