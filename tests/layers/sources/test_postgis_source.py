"""A city's tables, read from a real PostGIS: what comes is right and counted, and nothing there is changed."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from gis.errors import CrsError, LayerError, LayerNotFoundError, LayerUnavailableError, SitingToolError, UsageError
from layers.loading import load_layers
from layers.postgis_connection import ADDRESS_VARIABLE
from layers.sources import SOURCES
from layers.sources.postgis import read
from layers.sources.types import LoadContext, RawVector
from layers.types import LayerSpec

CONTEXT = LoadContext(metric_crs="EPSG:4547", frames={})
SQUARE = "POLYGON((0 0, 0 1000, 1000 1000, 1000 0, 0 0))"
CITY = f"""
DROP SCHEMA IF EXISTS "规划" CASCADE;
DROP SCHEMA IF EXISTS odd CASCADE;
CREATE SCHEMA "规划";
CREATE SCHEMA odd;
CREATE TABLE "规划"."地块" ("编号" text PRIMARY KEY, "用途" text, "面积_亩" numeric, "层数" int, "可用" bool,
    "批准" date, "附件" bytea, "形状" geometry(GeometryZ, 4547));
INSERT INTO "规划"."地块" SELECT 'P' || lpad(i::text, 5, '0'), CASE i % 3 WHEN 0 THEN '工业' ELSE '仓储' END,
    i * 1.5, CASE WHEN i = 7 THEN NULL ELSE i END, CASE WHEN i = 3 THEN NULL ELSE i % 2 = 0 END, '2026-03-31', '\\xff',
    ST_Force3D(ST_SetSRID(ST_Translate('{SQUARE}'::geometry, 450000 + i, 3840000), 4547))
    FROM generate_series(6000, 1, -1) i;
CREATE VIEW "规划"."大地块" AS SELECT "编号" AS "Id", "形状" AS geom FROM "规划"."地块" WHERE "面积_亩" > 8990;
CREATE TABLE odd.mixed (k int, geom geometry);
INSERT INTO odd.mixed VALUES (1, 'SRID=4490;POINT(113.6 34.7)'), (2, NULL),
    (3, 'SRID=4490;LINESTRING Z (113.6 34.7 9, 113.7 34.8 9)'), (4, 'SRID=4490;POLYGON EMPTY'),
    (5, 'SRID=4490;CIRCULARSTRING(113.6 34.7, 113.61 34.71, 113.62 34.7)');
CREATE TABLE odd.bare (k int, geom geometry(Point));
INSERT INTO odd.bare VALUES (1, 'POINT(450000 3840000)');
CREATE TABLE odd.two_srids (geom geometry);
INSERT INTO odd.two_srids VALUES ('SRID=4490;POINT(113.6 34.7)'), ('SRID=4547;POINT(450000 3840000)');
CREATE TABLE odd.two_geometries (a geometry(Point, 4547), "b?" geometry(Point, 4547), "c?" text);
INSERT INTO odd.two_geometries VALUES ('SRID=4547;POINT(1 2)', 'SRID=4547;POINT(3 4)', 'x%s');
CREATE TABLE odd.labelled (k int, geom geometry(Point, 4326));
INSERT INTO odd.labelled VALUES (1, 'SRID=4326;POINT(113.6 34.7)');
CREATE TABLE odd.flat (k int);
CREATE TABLE odd.empty (k int, geom geometry(Point, 4547));
CREATE TABLE odd.globe (k int, geog geography(Point, 4326), "a.b" text);
CREATE TABLE odd.own (geom geometry(Point, 990001));
DELETE FROM spatial_ref_sys WHERE srid = 990001;
INSERT INTO spatial_ref_sys SELECT 990001, NULL, NULL, srtext, proj4text FROM spatial_ref_sys WHERE srid = 4544;
INSERT INTO odd.own VALUES ('SRID=990001;POINT(450000 3390000)');
CREATE SEQUENCE odd.counter;
"""


def run(address: str, *statements: str) -> list[Any]:
    import psycopg

    with psycopg.connect(address) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def city(postgis: str) -> str:
    run(postgis, CITY)
    return postgis


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (ADDRESS_VARIABLE, "PGSERVICE", "PGSERVICEFILE", "PGHOST", "PGDATABASE", "PGPASSWORD", "PGUSER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def database(city: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(ADDRESS_VARIABLE, city)
    return city


@pytest.fixture(scope="module")
def as_file(city: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a GeoPackage of the table."""
    path = tmp_path_factory.mktemp("city") / "parcels.gpkg"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ADDRESS_VARIABLE, city)
        whole = got("规划.地块").frame
    whole.drop(columns="可用").assign(可用=whole["可用"].map({True: 1, False: 0})).to_file(path)
    return path


def spec(table: str = "", *, name: str = "parcels", where: str = "", columns: tuple[tuple[str, str], ...] = (),
         crs: str = "", datum: Any = None, path: str = "", **options: Any) -> LayerSpec:
    return LayerSpec(name=name, source="postgis", table=table, where=where, columns=columns, crs=crs, datum=datum,
                     path=path, options=tuple(options.items()),
                     constants=(("voltage_kv", 110),) if name == "substations" else ())


def got(table: str = "", **given: Any) -> RawVector:
    return read(spec(table, **given), CONTEXT)


def test_table_with_chinese_names(database: str) -> None:
    raw = got("规划.地块", columns=(("parcel_id", "编号"), ("land_use", "用途")))
    frame = raw.frame
    assert raw.n_read == len(frame) == 6_000
    assert frame["parcel_id"].tolist() == [f"P{i:05d}" for i in range(1, 6_001)]
    assert frame["land_use"].tolist()[:3] == ["仓储", "仓储", "工业"]
    assert frame["面积_亩"].tolist()[:2] == [1.5, 3.0]
    assert frame["层数"].dtype == np.float64
    assert np.flatnonzero(frame["层数"].isna()).tolist() == [6]
    assert frame["可用"].tolist()[:4] == [False, True, None, True]
    assert frame["批准"].iloc[0] == "2026-03-31"
    assert frame.crs.to_epsg() == 4547
    assert not shapely.has_z(frame.geometry.to_numpy()).any()
    wanted = shapely.transform(shapely.from_wkt(SQUARE), lambda c: c + np.array([450_001, 3_840_000]))
    assert shapely.equals(frame.geometry.iloc[0], wanted)
    place, left_out = (note.en for note in raw.reading_notes)
    assert place.startswith("read from localhost:5432/postgres 规划.地块: 6000 rows, SHA-256 ")
    assert left_out.endswith(": 附件")


def test_view_keeps_letters_and_reads_in_a_steady_order(database: str) -> None:
    frame = got("规划.大地块").frame
    assert frame["Id"].tolist() == [f"P0{i}" for i in range(5994, 6001)]


def test_digest_follows_the_content_and_not_the_storage(database: str) -> None:
    def digest() -> str:
        return got(sql="SELECT * FROM odd.mixed").reading_notes[0].en.rpartition(" ")[2]

    first = digest()
    assert len(first) == 64
    run(database, "UPDATE odd.mixed SET k = k WHERE k = 1")  # the row moves to the end of the table
    assert digest() == first
    run(database, "UPDATE odd.mixed SET geom = 'SRID=4490;POINT(113.6 34.700001)' WHERE k = 1")
    assert digest() != first
    run(database, "UPDATE odd.mixed SET geom = 'SRID=4490;POINT(113.6 34.7)' WHERE k = 1")
    assert digest() == first


@pytest.mark.parametrize(("where", "n"), [
    ('"用途" = \'工业\'', 2000), ('"面积_亩" > 8990 AND "可用" = TRUE', 4), ('"编号" LIKE \'p0000%\'', 9),
    ('"层数" IS NULL OR "编号" IN (\'P00001\', \'x\')', 2), ('"层数" BETWEEN 10 AND 12', 3), ("\"用途\" = '农用'", 0),
    ('length("编号") = 6 AND "面积_亩" * 2 <= 9', 3),
])
def test_where_means_what_it_means_for_files(database: str, where: str, n: int, as_file: Path) -> None:
    raw = got("规划.地块", where=where)
    assert raw.n_read == len(raw.frame) == n
    of_file = SOURCES["vector_file"](LayerSpec(name="parcels", source="vector_file", path=str(as_file),
                                               where=where.replace("= TRUE", "= 1")), CONTEXT)
    assert isinstance(of_file, RawVector)
    assert of_file.frame["编号"].tolist() == raw.frame["编号"].tolist()
    assert "holds no features" in raw.reading_notes[-1].en or n


def test_simple_conditions_narrow_in_the_database(database: str) -> None:
    assert len(got("规划.地块", where='"面积_亩" < 30', max_features=100).frame) == 19
    with pytest.raises(LayerError, match=r"at most 100 are read.*max_features"):
        got("规划.地块", where='abs("面积_亩") < 30', max_features=100)


def test_mixed_geometries_are_accounted_for(database: str, districts: LayerSpec) -> None:
    layers = load_layers([districts, spec("规划.地块", columns=(("parcel_id", "编号"),), where='"层数" < 3'),
                          spec("odd.mixed", name="substations")], metric_crs="EPSG:4547")
    parcels, mixed = layers.provenance[1:]
    assert (parcels.datum, parcels.crs) == ("cgcs2000 (from EPSG:4547)", "EPSG:4547")
    assert parcels.ledger.read == parcels.ledger.accepted == 2
    assert mixed.crs == "EPSG:4490"
    assert (mixed.ledger.read, mixed.ledger.rejected) == (5, 4)
    reasons = [remark.reason.en for remark in mixed.ledger.remarks]
    assert sum("no geometry" in reason for reason in reasons) == 2
    assert sum("LineString" in reason for reason in reasons) == 2


def test_curves_become_lines(database: str) -> None:
    frame = got("odd.mixed").frame
    arc = frame.geometry[frame["k"] == 5].iloc[0]
    assert arc.geom_type == "LineString"
    assert shapely.get_num_coordinates(arc) > 10


def test_srid_zero_needs_a_crs(database: str, districts: LayerSpec) -> None:
    with pytest.raises(CrsError, match=r'SRID 0.*write crs = "EPSG:4547"'):
        got("odd.bare")
    layers = load_layers([districts, spec("odd.bare", name="substations", crs="EPSG:4547")], metric_crs="EPSG:4547")
    assert layers.frame("substations").geometry.iloc[0].coords[0] == (450_000, 3_840_000)


def test_wgs84_label_does_not_prove_the_datum(database: str, districts: LayerSpec) -> None:
    with pytest.raises(CrsError, match="undeclared datum"):
        load_layers([districts, spec("odd.labelled", name="substations")], metric_crs="EPSG:4547")
    moved = load_layers([districts, spec("odd.labelled", name="substations", datum="gcj02")], metric_crs="EPSG:4547")
    assert moved.provenance[1].datum == "gcj02 (declared)"


def test_srid_of_a_citys_own_is_looked_up(database: str) -> None:
    assert got("odd.own").frame.crs.name == "CGCS2000 / 3-degree Gauss-Kruger CM 105E"


@pytest.mark.parametrize(("table", "options", "what"), [
    ("odd.two_srids", {}, r"several SRIDs \(4490, 4547\)"), ("odd.two_geometries", {}, r"one of: a, b\?"),
    ("odd.flat", {}, "no column of geometry, only: k"),
    ("", {"sql": "SELECT a, a FROM odd.two_geometries"}, "geometry"),
    ("", {"sql": "SELECT geom, k, k FROM odd.mixed"}, "'k' twice"), ("", {"sql": "SELEC 1"}, "database refuses"),
    ("", {"sql": "SELECT k, pg_sleep(30)::text, geom FROM odd.mixed", "timeout_s": 1}, "more than 1 s"),
])
def test_what_cannot_be_read(database: str, table: str, options: dict[str, Any], what: str) -> None:
    with pytest.raises((LayerError, CrsError), match=what):
        got(table, **options)


def test_one_of_two_geometries(database: str) -> None:
    raw = got("odd.two_geometries", geometry="b?", where="\"c?\" = 'x%s'")
    assert raw.frame.geometry.iloc[0].coords[0] == (3, 4)
    assert raw.reading_notes[1].en.endswith(": a")


def test_table_without_rows_keeps_its_crs(database: str) -> None:
    raw = got("odd.empty")
    assert raw.n_read == 0
    assert raw.frame.crs.to_epsg() == 4547
    assert raw.reading_notes[-1].en == "the layer holds no features"
    assert got('odd."globe"').frame.crs.to_epsg() == 4326


def test_unknown_table_names_those_there(database: str) -> None:
    with pytest.raises(LayerNotFoundError, match=r"no table '规划.地快'.*it has: 规划.地块"):
        got("规划.地快")


SMUGGLED = "SELECT k, geom FROM odd.mixed) AS t; COMMIT; DROP TABLE odd.mixed; SELECT 1 FROM (SELECT 1"
ATTACKS = [
    {"where": "1=1); DROP TABLE odd.mixed; --"}, {"where": "k = (SELECT nextval('odd.counter'))"},
    {"where": "true) UNION ALL SELECT k, geom FROM odd.bare --"}, {"where": "k = 1; COMMIT; DELETE FROM odd.mixed"},
    {"table": "odd.mixed; DROP TABLE odd.mixed"}, {"table": 'odd.mixed" AS t; DROP TABLE odd.mixed; --'},
    {"table": "odd.mixed WHERE 1=1 --"}, {"table": "odd.(SELECT 1)"},
    {"sql": "DELETE FROM odd.mixed RETURNING k, geom"}, {"sql": "SELECT nextval('odd.counter'), geom FROM odd.mixed"},
    {"sql": "WITH gone AS (DELETE FROM odd.mixed RETURNING *) SELECT * FROM gone"},
    {"sql": SMUGGLED}, {"sql": "SELECT k, geom FROM odd.mixed) AS t; COMMIT; DROP TABLE odd.mixed; --"},
    {"sql": "SELECT 1; COMMIT; BEGIN READ WRITE; DELETE FROM odd.mixed"},
    {"sql": "SELECT set_config('transaction_read_only', 'off', true), geom FROM odd.mixed"},
    {"sql": "SELECT geom, lo_create(0)::text FROM odd.mixed"},
    {"geometry": "geom) FROM odd.mixed; DROP TABLE odd.mixed"},
]


@pytest.mark.parametrize("attack", ATTACKS, ids=[str(number) for number in range(len(ATTACKS))])
def test_nothing_is_ever_written(database: str, attack: dict[str, str]) -> None:
    given = {**({} if "sql" in attack else {"table": "odd.mixed"}), **attack}
    before = run(database, "SELECT k, ST_AsEWKT(geom) FROM odd.mixed ORDER BY k")
    with contextlib.suppress(SitingToolError):
        got(**given)
    assert run(database, "SELECT k, ST_AsEWKT(geom) FROM odd.mixed ORDER BY k") == before
    assert run(database, "SELECT is_called FROM odd.counter") == [(False,)]
    assert run(database, "SELECT count(*) FROM pg_largeobject_metadata") == [(0,)]


def test_write_is_named_as_such(database: str) -> None:
    for query in ("SELECT nextval('odd.counter'), geom FROM odd.mixed",
                  "SELECT set_config('transaction_read_only', 'off', true), geom FROM odd.mixed"):
        with pytest.raises(LayerError, match=r"statement writes.*nothing was changed"):
            got(sql=query)


def test_second_statement_is_refused(database: str) -> None:
    with pytest.raises(LayerError, match="cannot insert multiple commands"):
        got(sql=SMUGGLED)
    assert len(got("odd.mixed").frame) == 5


def test_table_that_may_not_be_read(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run(database, "DROP ROLE IF EXISTS reader", "CREATE ROLE reader LOGIN")
    monkeypatch.setenv(ADDRESS_VARIABLE, database.replace("user=postgres", "user=reader"))
    with pytest.raises(LayerError, match="GRANT SELECT"):
        got("odd.mixed")


def test_service_file(city: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "services").write_text("[city]\n" + city.replace(" ", "\n") + "\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    assert len(got("odd.mixed", service="city").frame) == 5
    with pytest.raises(LayerUnavailableError, match="nowhere"):
        got("odd.mixed", service="nowhere")
    with pytest.raises(UsageError, match="nothing else"):
        got("odd.mixed", service="city password=hush")


@pytest.mark.parametrize("options", [{"password": "hush"}, {"dsn": "host=h password=hush"}, {"host": "10.0.0.1"},
                                     {"url": "postgresql://u:hush@h/d"}, {"PGPASSWORD": "hush"}, {"user": "hush"}])
def test_secret_or_address_in_the_study_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=f"must not hold.*{ADDRESS_VARIABLE}.*pgpass.*service") as raised:
        got("odd.mixed", **options)
    assert "hush" not in raised.value.text.en + raised.value.text.zh


@pytest.mark.parametrize("address", ["host=/nowhere dbname=d password=hush", "postgresql://u:hush@[::1/d", "hush"])
def test_errors_keep_secrets(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setenv(ADDRESS_VARIABLE, address)
    with pytest.raises(LayerUnavailableError, match="cannot be reached") as raised:
        got("odd.mixed")
    assert "hush" not in raised.value.text.en + raised.value.text.zh


@pytest.mark.parametrize(("given", "what"), [
    ({}, "either table"), ({"table": "a", "sql": "SELECT 1"}, "either table"),
    ({"table": "a", "max_feature": 3}, "did you mean 'max_features'"),
    ({"table": "a", "path": "x.gpkg"}, "reads no file"), ({"table": "a", "timeout_s": "soon"}, "timeout_s is 'soon'"),
    ({"table": "a"}, "nothing says where the database is"),
])
def test_spec_that_means_nothing(given: dict[str, Any], what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    if "timeout_s" in given:
        monkeypatch.setenv(ADDRESS_VARIABLE, "host=/nowhere")
    with pytest.raises(UsageError, match=what):
        got(**given)


def test_missing_package_names_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(LayerUnavailableError, match=r"pip install suanzhi\[postgis\]"):
        got("odd.mixed")
