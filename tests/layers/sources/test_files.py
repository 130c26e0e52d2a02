from __future__ import annotations

from pathlib import Path

import pytest

from gis.errors import LayerError, LayerNotFoundError
from layers.sources.files import existing_file, format_of
from layers.types import LayerSpec

CONTENTS = {
    "JSON": b' \n{"type":"FeatureCollection"}', "SQLite/GeoPackage": b"SQLite format 3\x00" + b"\0" * 90,
    "Shapefile": b"\x00\x00\x27\x0a" + b"\0" * 96, "ZIP": b"PK\x03\x04" + b"\0" * 30, "FlatGeobuf": b"fgb\x03fgb\x00",
    "Parquet": b"PAR1" + b"\0" * 20, "Excel 97 (.xls)": b"\xd0\xcf\x11\xe0\xa1\xb1", "PDF": b"%PDF-1.7",
    "HTML": b"\xef\xbb\xbf<!DOCTYPE html><html>", "XML/KML": b'<?xml version="1.0"?>', "GeoTIFF": b"II*\x00\x08",
}
ENDINGS = {".gpkg": "SQLite/GeoPackage", ".shp": "Shapefile", ".fgb": "FlatGeobuf", ".parquet": "Parquet",
           ".xlsx": "ZIP", ".zip": "ZIP", ".geojson": "JSON", ".json": "JSON", ".kml": "XML/KML", ".tif": "GeoTIFF"}


def _spec(path: Path | str) -> LayerSpec:
    return LayerSpec(name="parcels", source="vector_file", path=str(path))


@pytest.mark.parametrize("content", CONTENTS)
def test_beginnings_are_known(content: str) -> None:
    assert format_of(CONTENTS[content]) == content


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("ending", ENDINGS)
def test_content_must_be_what_the_name_says(tmp_path: Path, ending: str, content: str) -> None:
    path = tmp_path / f"a{ending.upper()}"
    path.write_bytes(CONTENTS[content])
    if ENDINGS[ending] == content:
        assert existing_file(_spec(path)) == path
        return
    with pytest.raises(LayerError) as caught:
        existing_file(_spec(path))
    for language in ("zh", "en"):
        message = caught.value.message(language)
        assert str(path) in message
        assert content in message
        assert "\n" not in message


@pytest.mark.parametrize("content", sorted(set(CONTENTS) - {"JSON"}))
def test_table_that_is_no_text(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(CONTENTS[content])
    with pytest.raises(LayerError, match="named like text but holds"):
        existing_file(_spec(path))
    path.write_text("lon,lat\n", encoding="utf-8")
    assert existing_file(_spec(path)) == path


def test_nothing_empty_and_folders(tmp_path: Path) -> None:
    with pytest.raises(LayerNotFoundError, match="no path given"):
        existing_file(_spec(""))
    with pytest.raises(LayerNotFoundError, match=r"gone\.shp"):
        existing_file(_spec(tmp_path / "gone.shp"))
    with pytest.raises(LayerError, match="is a folder"):
        existing_file(_spec(tmp_path))
    geodatabase = tmp_path / "a.gdb"
    geodatabase.mkdir()
    with pytest.raises(LayerError, match="name one file in it"):
        existing_file(_spec(geodatabase))
    empty = tmp_path / "a.gpkg"
    empty.touch()
    with pytest.raises(LayerError, match="is empty"):
        existing_file(_spec(empty))


@pytest.mark.parametrize("text", [
    '<OGRVRTDataSource><OGRVRTLayer><SrcDataSource>/etc/x.kml</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>',
    '<?xml version="1.0"?>\n<!-- x -->\n<OGRWFSDataSource><URL>http://127.0.0.1/</URL></OGRWFSDataSource>',
    '<GDAL_WMS><Service name="TMS"><ServerUrl>http://127.0.0.1/</ServerUrl></Service></GDAL_WMS>',
    '{"stac_version": "1.0.0", "assets": {"B1": {"href": "http://127.0.0.1/x.tif"}}}',
])
@pytest.mark.parametrize("ending", ["geojson", "kml", "vrt", "dat", "tif"])
def test_addresses_of_data_elsewhere_are_refused(tmp_path: Path, text: str, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LayerError, match="where other data lie"):
        existing_file(_spec(path))


def test_mosaic_must_be_named_as_one(tmp_path: Path) -> None:
    for ending in ("tif", "geojson", "dat", "csv"):
        path = tmp_path / f"a.{ending}"
        path.write_text('<?xml version="1.0"?><VRTDataset rasterXSize="1" rasterYSize="1"/>', encoding="utf-8")
        with pytest.raises(LayerError, match="holds VRT"):
            existing_file(_spec(path))
