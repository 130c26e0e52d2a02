"""Small files and specs that the tests of this room share, and a PostgreSQL cluster that ends with the session."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import geopandas as gpd
import pytest
from shapely import LineString, Point, Polygon, box

from layers.types import InlineFeature, LayerSpec

METRIC_CRS = "EPSG:4547"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    if not SHARED.is_dir():
        pytest.skip("the folder of open data is not beside the project")
    return SHARED


@pytest.fixture
def metric_crs() -> str:
    return METRIC_CRS


@pytest.fixture
def districts() -> LayerSpec:
    """Two districts side by side, about 18 km x 22 km each."""
    west, east = box(113.4, 34.6, 113.6, 34.8), box(113.6, 34.6, 113.8, 34.8)
    return LayerSpec(name="districts", source="inline", features=(
        InlineFeature(geometry=west.wkt, properties=(("district_id", "1"), ("name", "西区"))),
        InlineFeature(geometry=east.wkt, properties=(("district_id", "2"), ("name", "东区"))),
    ))


@pytest.fixture
def stations() -> gpd.GeoDataFrame:
    """Three substations under Chinese column names, in degrees."""
    return gpd.GeoDataFrame(
        {"编号": ["S1", "S2", "S3"], "站名": ["嵩山站", "官渡站", "惠济站"],
         "电压等级": ["500kV", "220000;110000", "110/35/10"]},
        geometry=[Point(113.5, 34.7), Point(113.61, 34.71), Point(113.7, 34.65)], crs="EPSG:4326",
    )


@pytest.fixture
def station_columns() -> tuple[tuple[str, str], ...]:
    return (("substation_id", "编号"), ("name", "站名"), ("voltage_kv", "电压等级"))


@pytest.fixture
def shapes() -> gpd.GeoDataFrame:
    """A good square, a bow-tie with unequal wings, a line, an empty geometry and a missing one."""
    bow_tie = Polygon([(0, 0), (100, 100), (100, 0), (0, 100)])
    return gpd.GeoDataFrame(
        {"parcel_id": ["a", "b", "c", "d", "e"]},
        geometry=[box(0, 0, 50, 50), bow_tie, LineString([(0, 0), (9, 9)]), Polygon(), None], crs=METRIC_CRS,
    )


@pytest.fixture(scope="session")
def city_services() -> Iterator[str]:
    """Return the address of the services of ``sources/city_services.py``."""
    program = Path(__file__).parent / "sources" / "city_services.py"
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def postgis() -> Iterator[str]:
    """Return the address of a database with PostGIS."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    with cluster() as address:
        yield address


def missing() -> str:
    """Say why no cluster can be made here; empty where it can."""
    if binaries() is None:
        return "PostgreSQL is not installed (apt-get install postgresql postgresql-15-postgis-3)"
    if not any(Path("/usr/share/postgresql").glob("*/extension/postgis.control")):
        return "PostGIS is not installed (apt-get install postgresql-15-postgis-3)"
    if os.geteuid() == 0 and "postgres" not in {user.pw_name for user in pwd.getpwall()}:
        return "PostgreSQL refuses to run as root, and there is no user postgres"
    if shutil.which("setpriv") is None:
        return "setpriv is not installed (apt-get install util-linux)"
    return ""


def binaries() -> Path | None:
    """Return the folder of the newest PostgreSQL."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def cluster() -> Iterator[str]:
    """Start a cluster with PostGIS; yield the connection string of its database."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    bin_folder = binaries()
    assert bin_folder is not None
    is_root = os.geteuid() == 0
    if is_root:
        shutil.chown(folder, "postgres", "postgres")

    def run(*command: str) -> None:
        found = subprocess.run(command, cwd=folder, user="postgres" if is_root else None, check=False,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert found.returncode == 0, found.stdout

    data, log = folder / "data", (folder / "log").open("wb")
    run(str(bin_folder / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8",
        "--no-sync")
    # The server ends with the tests even where they are killed. Its log goes to a file: nobody would read a pipe.
    become = ["--reuid=postgres", "--regid=postgres", "--init-groups"] if is_root else []
    server = subprocess.Popen(
        ["setpriv", *become, "--pdeathsig", "INT", str(bin_folder / "postgres"), "-D", str(data),
         "-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"],
        cwd=folder, stdout=log, stderr=log)
    try:
        address = f"host={folder} user=postgres dbname=postgres"
        _prepare(address, server, folder / "log")
        yield address
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for the server and give its database PostGIS."""
    import psycopg

    for _ in range(100):
        assert server.poll() is None, log.read_text(encoding="utf-8", errors="replace")
        try:
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute("CREATE EXTENSION postgis")
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(log.read_text(encoding="utf-8", errors="replace"))
