"""A raster of a run: a file or an array, read by windows in the metric CRS."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import ArrayLike, NDArray

from gis.errors import CrsError, LayerError, LayerNotFoundError

Bounds = tuple[float, float, float, float]

# Not every such integer is a float64: the comparison with "no data" is left to GDAL.
_WIDE_INTEGER_BYTES = 8


@dataclass(frozen=True, eq=False)
class Raster:
    """One band on a north-up grid of square or rectangular cells in the metric CRS of the run.

    Either ``values`` holds the cells, or ``path`` names a file that is read by windows (and moved
    into ``crs`` on the way, where the file has another one).
    """

    crs: str
    """Metric CRS of the run."""

    transform: Affine
    """From column and row to coordinates in ``crs``; north up."""

    shape: tuple[int, int]
    """Rows and columns."""

    unit: str
    """Unit of a cell's value."""

    values: NDArray[np.float64] | None = None
    """The cells, NaN where there is no data; or None for a file."""

    path: str = ""
    """File that holds the cells, or the text of a VRT document that says which files do."""

    source_crs: str = ""
    """CRS of the file, where it was declared rather than read from it."""

    is_categorical: bool = False
    """Cells are codes: never averaged, resampled by the nearest."""

    @property
    def bounds(self) -> Bounds:
        """West, south, east and north edge in ``crs``."""
        west, north = self.transform.c, self.transform.f
        return (west, north + self.transform.e * self.shape[0], west + self.transform.a * self.shape[1], north)

    def read(self, bounds: Bounds | None = None) -> tuple[NDArray[np.float64], Affine]:
        """Read the cells that meet ``bounds``.

        Parameters
        ----------
        bounds
            West, south, east and north in ``crs``; the whole raster if None.

        Returns
        -------
        values : numpy.ndarray
            Float64, NaN where there is no data; without rows or columns where the bounds miss the
            raster.
        transform : affine.Affine
            From column and row of ``values`` to coordinates.

        Raises
        ------
        LayerError
            The file cannot be read.
        """
        west, south, east, north = self.bounds if bounds is None else bounds
        grid = self.transform
        left, right = (west - grid.c) / grid.a, (east - grid.c) / grid.a
        top, bottom = (north - grid.f) / grid.e, (south - grid.f) / grid.e
        row, column = max(int(np.floor(top)), 0), max(int(np.floor(left)), 0)
        n_rows = max(min(int(np.ceil(bottom)), self.shape[0]) - row, 0)
        n_columns = max(min(int(np.ceil(right)), self.shape[1]) - column, 0)
        moved = Affine(grid.a, grid.b, grid.c + column * grid.a, grid.d, grid.e, grid.f + row * grid.e)
        return self.read_cells(row, column, n_rows, n_columns), moved

    def read_cells(self, row: int, column: int, n_rows: int, n_columns: int) -> NDArray[np.float64]:
        """Read a window of cells that lies inside the raster; NaN where there is no data.

        Raises
        ------
        LayerError
            The file cannot be read.
        """
        if n_rows <= 0 or n_columns <= 0:
            return np.empty((max(n_rows, 0), max(n_columns, 0)))
        if self.values is not None:
            return np.array(self.values[row:row + n_rows, column:column + n_columns], dtype=np.float64)
        return _read_file(self, row, column, n_rows, n_columns)


def raster_from_array(values: ArrayLike, transform: Affine, crs: str, unit: str, *,
                      is_categorical: bool = False) -> Raster:
    """Return a raster over an array in the metric CRS.

    Parameters
    ----------
    values
        Cells, shape (rows, columns), NaN where there is no data.
    transform
        From column and row to coordinates; north up.
    crs
        Metric CRS.
    unit
        Unit of a cell's value.
    is_categorical
        Cells are codes.

    Raises
    ------
    CrsError
        ``crs`` is not metric.
    LayerError
        The array is not two-dimensional, or the grid is not north up.
    """
    from gis.crs import require_metric

    require_metric(crs)
    cells = np.asarray(values, dtype=np.float64)
    if cells.ndim != 2:
        raise LayerError(f"a raster has rows and columns; the array has {cells.ndim} dimensions",
                         f"栅格应有行与列；该数组有 {cells.ndim} 维")
    if transform.a <= 0.0 or transform.e >= 0.0 or transform.b != 0.0 or transform.d != 0.0:
        raise LayerError("the raster is rotated or upside down; give a north-up grid",
                         "栅格有旋转或上下颠倒；请给出正北朝上的栅格")
    return Raster(crs=crs, transform=transform, shape=(cells.shape[0], cells.shape[1]), unit=unit, values=cells,
                  is_categorical=is_categorical)


def raster_from_file(path: str | Path, metric_crs: str, *, unit: str, source_crs: str = "",
                     is_categorical: bool = False) -> Raster:
    """Return a raster over the first band of a file, of which nothing but the header is read yet.

    Parameters
    ----------
    path
        A file that GDAL reads, or the text of a VRT document that names several.
    metric_crs
        Metric CRS of the run. A file in another CRS is moved into it window by window: bilinear,
        or by the nearest cell where the cells are codes.
    unit
        Unit of a cell's value, after the scale and offset of the file.
    source_crs
        CRS of the file where it does not say, or says it wrongly.
    is_categorical
        Cells are codes.

    Raises
    ------
    CrsError
        The file has no place on the ground and none is declared, a CRS is unknown, or no
        transformation between the two datums is public.
    LayerNotFoundError
        There is no such file.
    LayerError
        The file is not a raster that can be read, or its grid is rotated.
    """
    from gis.crs import parse_crs, require_metric, require_transformation

    require_metric(metric_crs)
    if not _is_document(str(path)) and not Path(path).exists():
        raise LayerNotFoundError(f"raster file {path} does not exist; correct the path in the study file",
                                 f"栅格文件 {path} 不存在；请在方案文件中改正路径")
    with _dataset(str(path)) as file:
        _check_grid(file, str(path), source_crs)
        declared = source_crs or file.crs.to_wkt()
        require_transformation(declared, metric_crs)
        grid, size = file.transform, (file.height, file.width)
        if not _is_same_crs(declared, metric_crs) or grid.e > 0.0:
            with _warped(file, metric_crs, parse_crs(declared).to_wkt(), is_categorical) as moved:
                grid, size = moved.transform, (moved.height, moved.width)
    return Raster(crs=metric_crs, transform=grid, shape=size, unit=unit, path=str(path), source_crs=source_crs,
                  is_categorical=is_categorical)


def _read_file(raster: Raster, row: int, column: int, n_rows: int, n_columns: int) -> NDArray[np.float64]:
    """Read a window of a file, moved into the CRS of ``raster`` where the file has another grid."""
    from rasterio.windows import Window

    from gis.crs import parse_crs

    window = Window(column, row, n_columns, n_rows)
    with _dataset(raster.path) as file:
        if file.transform == raster.transform and file.shape == raster.shape:
            values = _read_band(file, window)
        else:
            declared = parse_crs(raster.source_crs or file.crs.to_wkt()).to_wkt()
            with _warped(file, raster.crs, declared, raster.is_categorical, raster) as moved:
                values = _read_band(moved, window)
        scale, offset = float(file.scales[0]), float(file.offsets[0])
    if (scale, offset) != (1.0, 0.0):
        values *= scale
        values += offset
    return values


def _read_band(file: Any, window: Any) -> NDArray[np.float64]:
    """Read a window of the first band as numbers, NaN where there is no data.

    Where a value says that there is no data, the cells are compared with it as they come: GDAL's mask
    is a second pass over the file.
    """
    from rasterio.enums import MaskFlags

    kind, nodata = np.dtype(file.dtypes[0]), file.nodata
    is_plain = set(file.mask_flag_enums[0]) <= {MaskFlags.nodata, MaskFlags.all_valid}
    if not is_plain or kind.kind == "c" or (kind.kind in "iu" and kind.itemsize == _WIDE_INTEGER_BYTES):
        return np.ma.filled(file.read(1, window=window, masked=True).astype(np.float64), np.nan)
    values: NDArray[np.float64] = file.read(1, window=window, out_dtype=np.float64)
    if nodata is None or np.isnan(nodata):
        return values
    if kind.kind == "f":
        with np.errstate(over="ignore"):
            nodata = kind.type(nodata)  # -3.40282346638529e+38, as the file may say, is no number of 4 bytes
    is_missing = values == float(nodata)
    if is_missing.any():
        values[is_missing] = np.nan
    return values


@contextmanager
def _dataset(path: str) -> Iterator[Any]:
    """Open a raster file; what GDAL cannot do becomes a sentence."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings():
            # A file without a place on the ground is refused by _check_grid, with a remedy.
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            file = rasterio.open(path)
        with file:
            yield file
    except RasterioError as error:
        path = "VRT" if _is_document(path) else path
        raise LayerError(
            f"raster file {path} cannot be read ({error}); check that it is complete and in a format that GDAL knows",
            f"栅格文件 {path} 无法读取（{error}）；请检查文件是否完整、格式是否为 GDAL 所支持",
        ) from error


def _check_grid(file: Any, path: str, source_crs: str) -> None:
    """Raise where the file cannot be placed."""
    path = "VRT" if _is_document(path) else path
    if (file.crs is None and not source_crs) or file.transform == Affine.identity():
        raise CrsError(
            f"raster file {path} does not say where it lies; declare its crs, "
            "or save it again with coordinates (for example as GeoTIFF)",
            f"栅格文件 {path} 没有坐标信息；请声明 crs，或重新保存为带坐标的格式（例如 GeoTIFF）",
        )
    if file.transform.b != 0.0 or file.transform.d != 0.0:
        raise LayerError(
            f"the grid of raster file {path} is rotated; straighten it first (gdalwarp does)",
            f"栅格文件 {path} 的网格有旋转；请先用 gdalwarp 纠正",
        )


def _is_document(path: str) -> bool:
    return path.startswith("<VRTDataset")


def _is_same_crs(one: str, other: str) -> bool:
    from gis.crs import parse_crs

    return bool(parse_crs(one).equals(parse_crs(other), ignore_axis_order=True))


def _warped(file: Any, crs: str, declared: str, is_categorical: bool, raster: Raster | None = None) -> Any:
    """Return a view of ``file`` in ``crs``: on its natural grid, or on that of ``raster``."""
    from rasterio.enums import Resampling
    from rasterio.vrt import WarpedVRT

    from gis.crs import parse_crs

    grid = {} if raster is None else {"transform": raster.transform, "height": raster.shape[0],
                                      "width": raster.shape[1]}
    return WarpedVRT(
        file, src_crs=declared, crs=parse_crs(crs).to_wkt(),
        resampling=Resampling.nearest if is_categorical else Resampling.bilinear,
        # NaN marks ground that the file does not cover, which may have no nodata value of its own.
        dtype="float64", nodata=np.nan, src_nodata=file.nodata,
        # As good as no approximation (0 itself is not taken together with a grid): a cell must not
        # depend on the window in which it is read.
        tolerance=1e-9, **grid,
    )
