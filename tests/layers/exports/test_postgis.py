from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import shapely

from gis.errors import ExportError, UsageError
from layers.exports import postgis as exports
from layers.exports.bundles import Bundle
from layers.postgis_connection import ADDRESS_VARIABLE

Make = Callable[..., Bundle]


@pytest.fixture
def database(postgis: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(ADDRESS_VARIABLE, postgis)
    query(postgis, "DROP SCHEMA IF EXISTS suanzhi_study CASCADE", "DROP SCHEMA IF EXISTS suanzhi_study_gcj02 CASCADE")
    return postgis


def query(address: str, *statements: str) -> list[Any]:
    import psycopg

    with psycopg.connect(address) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.mark.parametrize(("crs", "srid"), [("4326", 4326), ("4547", 4547), ("4490", 4490)])
def test_tables_come_back_equal(bundle: Make, database: str, crs: str, srid: int) -> None:
    made = bundle(crs)
    names = exports.write_postgis(made)
    assert names == tuple(f"postgis:suanzhi_study.{n}" for n in ("parcels", "edge_centres", "summary", "sources"))
    found = query(database, "SELECT parcel_id, name, large_eligible, large_score, large_rank, large_permission_clause, "
                            "ST_AsBinary(geom), ST_SRID(geom) FROM suanzhi_study.parcels ORDER BY parcel_id")
    wanted = made.layers[0].frame
    assert [row[0] for row in found] == wanted["parcel_id"].tolist()
    assert found[0][1] == wanted["name"].tolist()[0]
    assert found[1][1] is None
    assert [row[2] for row in found] == [True, False, True, True]
    assert [row[3] for row in found] == [0.25, None, 0.75, 0.123456]
    assert [row[4] for row in found] == [2, None, 1, 3]
    assert found[0][5] == wanted["large_permission_clause"].tolist()[0]
    shapes = [shapely.from_wkb(bytes(row[6])) for row in found]
    assert shapely.equals(shapes, wanted.geometry.to_numpy()).all()
    assert {row[7] for row in found} == {srid}


def test_keys_indexes_and_comments(bundle: Make, database: str) -> None:
    exports.write_postgis(bundle())
    indexes = query(database, "SELECT indexdef FROM pg_indexes WHERE schemaname = 'suanzhi_study' ORDER BY 1")
    assert sum("USING gist (geom)" in row[0] for row in indexes) == 2
    assert sum("UNIQUE" in row[0] for row in indexes) == 2
    comment = query(database, "SELECT obj_description('suanzhi_study.parcels'::regclass, 'pg_class')")[0][0]
    assert "GS(2024)0650" in comment
    column = query(database, "SELECT col_description('suanzhi_study.parcels'::regclass, 1)")[0][0]
    assert column == "地块编号"


def test_second_export_replaces_the_first(bundle: Make, database: str) -> None:
    exports.write_postgis(bundle("4326"))
    exports.write_postgis(bundle("4547"))
    assert query(database, "SELECT count(*), min(ST_SRID(geom)) FROM suanzhi_study.parcels") == [(4, 4547)]


def test_all_or_nothing(bundle: Make, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    exports.write_postgis(bundle("4326"))

    def fail(*_: object) -> None:
        raise ExportError("no", "否")

    monkeypatch.setattr(exports, "_write_table", fail)
    with pytest.raises(ExportError, match="no"):
        exports.write_postgis(bundle("4547"))
    assert query(database, "SELECT count(*), min(ST_SRID(geom)) FROM suanzhi_study.parcels") == [(4, 4326)]
    assert query(database, "SELECT count(*) FROM suanzhi_study.summary") == [(2,)]


def test_tables_of_others_are_left_alone(bundle: Make, database: str) -> None:
    query(database, "CREATE SCHEMA suanzhi_study", "CREATE TABLE suanzhi_study.mine (k int)")
    with pytest.raises(ExportError, match="mine"):
        exports.write_postgis(bundle())
    assert query(database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'suanzhi_study'") == [(1,)]


def test_a_view_on_a_table_is_not_dropped(bundle: Make, database: str) -> None:
    exports.write_postgis(bundle())
    query(database, "CREATE SCHEMA IF NOT EXISTS other",
          "CREATE OR REPLACE VIEW other.v AS SELECT * FROM suanzhi_study.parcels")
    with pytest.raises(ExportError, match="nothing was changed"):
        exports.write_postgis(bundle())
    assert query(database, "SELECT count(*) FROM other.v") == [(4,)]


def test_gcj02_has_no_srid_and_says_so(bundle: Make, database: str) -> None:
    names = exports.write_postgis(bundle("gcj02"))
    assert names[0] == "postgis:suanzhi_study_gcj02.parcels"
    assert query(database, "SELECT DISTINCT datum, ST_SRID(geom) FROM suanzhi_study_gcj02.parcels") == [("GCJ-02", 0)]
    comment = query(database, "SELECT obj_description('suanzhi_study_gcj02.parcels'::regclass, 'pg_class')")[0][0]
    assert "GCJ-02" in comment


def test_ogr_reads_it(bundle: Make, database: str) -> None:
    if shutil.which("ogrinfo") is None:
        pytest.skip("gdal-bin is not installed")
    exports.write_postgis(bundle("4547"))
    found = subprocess.run(["ogrinfo", "-so", f"PG:{database}", "suanzhi_study.parcels"], capture_output=True,
                           text=True, check=True).stdout
    assert "Feature Count: 4" in found
    assert "Geometry: Multi Polygon" in found


def test_password_on_the_command_line_is_refused(bundle: Make) -> None:
    for address in ("postgresql://u:secret@nowhere/d", "host=nowhere password=secret"):
        with pytest.raises(UsageError, match="service file") as raised:
            exports.write_postgis(bundle(), address=address)
        assert "secret" not in str(raised.value)


def test_address_is_asked_for(bundle: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (ADDRESS_VARIABLE, "PGSERVICE", "PGHOST", "PGDATABASE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match=ADDRESS_VARIABLE):
        exports.write_postgis(bundle())


@pytest.mark.parametrize("address", ["host=/nowhere dbname=d password=hush", "postgresql://u:hush@[::1/d", "hush"])
def test_errors_keep_secrets(bundle: Make, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv(ADDRESS_VARIABLE, address)
    with pytest.raises(ExportError, match="nothing was changed") as raised:
        exports.write_postgis(bundle())
    assert "hush" not in str(raised.value)
    assert "hush" not in raised.value.text.zh
    assert os.environ[ADDRESS_VARIABLE] == address
