from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from gis.errors import CrsError, DatumError, LayerError, LayerNotFoundError
from layers.sources.raster_file import read
from layers.sources.types import LoadContext, RawRaster
from layers.types import LayerSpec

CONTEXT = LoadContext(metric_crs="EPSG:4547", frames={})


def _write(path: Path, crs: str | None, west: float = 113.5, north: float = 34.8, cell: float = 0.01) -> Path:
    with rasterio.open(path, "w", driver="GTiff", width=20, height=10, count=1, dtype="float32", crs=crs,
                       transform=Affine(cell, 0, west, 0, -cell, north)) as dataset:
        dataset.write(np.arange(200, dtype=np.float32).reshape(1, 10, 20))
    return path


def _read(path: Path, name: str = "dem", **more: str) -> RawRaster:
    return read(LayerSpec(name=name, source="raster_file", path=str(path), **more), CONTEXT)  # type: ignore[arg-type]


def test_grid_in_degrees_needs_a_datum(tmp_path: Path) -> None:
    path = _write(tmp_path / "d.tif", "EPSG:4326")
    with pytest.raises(DatumError, match=r"datum = .* under \[layers.dem\]"):
        _read(path)
    raw = _read(path, datum="wgs84")
    assert raw.datum_note == "wgs84 (declared)"
    assert raw.raster.crs == "EPSG:4547"
    assert raw.raster.unit == "m"
    assert raw.files == (str(path),)
    with pytest.raises(DatumError, match="warp it"):
        _read(path, datum="gcj02")


def test_label_of_cgcs2000_and_a_metric_crs_are_declarations(tmp_path: Path) -> None:
    assert _read(_write(tmp_path / "a.tif", "EPSG:4490")).datum_note == "cgcs2000 (from EPSG:4490)"
    metric = _write(tmp_path / "b.tif", "EPSG:4547", 450000, 3860000, 30)
    assert _read(metric).datum_note == "cgcs2000 (from EPSG:4547)"
    assert _read(metric, name="land_cover").raster.is_categorical


def test_old_datum_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "x.tif", "EPSG:2383", 450000, 3860000, 30)  # Xian 1980
    with pytest.raises(DatumError, match="CGCS2000"):
        _read(path)
    assert _read(path, crs="EPSG:4547").crs == "EPSG:4547"


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_complaints(tmp_path: Path) -> None:
    with pytest.raises(LayerNotFoundError, match=r"gone\.tif"):
        _read(tmp_path / "gone.tif")
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"II*\x00 no")
    with pytest.raises(LayerError, match=r"broken\.tif"):
        _read(broken)
    with pytest.raises(CrsError, match="EPSG:4547"):
        _read(_write(tmp_path / "bare.tif", None))


def test_real_stream_mask(shared_data: Path) -> None:
    raw = _read(shared_data / "raster" / "msn_raster.tif", name="water_mask", datum="wgs84")
    assert raw.raster.crs == "EPSG:4547"
    assert raw.crs == "EPSG:4326"
