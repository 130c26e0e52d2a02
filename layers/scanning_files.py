"""Which data sets lie in a folder, and what each of them holds."""

from __future__ import annotations

import os
import unicodedata
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import geopandas as gpd
import numpy as np
import pandas as pd

from gis.bilingual import Text
from gis.errors import LayerError, SitingToolError
from gis.rasters import Bounds
from layers.conversion import parse_number
from layers.scanning_types import FoundTable, Leftover, Place, RasterLook, ScanLimits
from layers.scanning_words import coordinate_words, plain
from layers.sources.archives import unpacked
from layers.sources.files import check_content
from layers.sources.geodatabase import SUFFIX as _GEODATABASE
from layers.sources.geodatabase import folders_in
from layers.sources.raster_tiles import mosaic_in
from layers.sources.table_file import read_cells
from layers.types import LayerSpec

_VECTOR = (".shp", ".geojson", ".json", ".gpkg", ".fgb", ".kml", ".parquet", ".geoparquet", ".gml", ".tab",
           _GEODATABASE)
_TABLES = (".csv", ".tsv")
_SHEETS = (".xlsx",)
_ARCHIVES = (".zip", ".kmz")
_LAYERED = (".gpkg", ".kml", _GEODATABASE, *_SHEETS)
_RASTERS = (".tif", ".tiff", ".img", ".asc", ".vrt")
_SIDE_FILES = (".shx", ".prj", ".cpg", ".sbn", ".sbx", ".qix", ".qpj", ".xml", ".tfw", ".ovr", ".qml", ".lyr", ".map",
               ".dat", ".id", ".ind", ".md5", ".rrd", ".qmd")
_PEEK_ROWS = 500
_THUMBNAIL = 256
_DEGREES: Bounds = (72.0, 0.0, 138.0, 56.0)

_WGS84 = "EPSG:4326"
_NAME = "NAME"  # stands for the layer in messages, while nobody knows which one it is

_NOT_READ = Text(zh="不是可读取的数据格式", en="not a format that is read")
_OSM = Text(zh='OpenStreetMap 提取文件含多个图层：请在需要的图层下写 source = "osm_file" 与 path',
            en='an extract of OpenStreetMap holds many layers: write source = "osm_file" and its path under each layer')


def data_sets(folder: Path, limits: ScanLimits) -> tuple[list[Place], list[Leftover]]:
    """List the data sets of a folder, those below it included, by path.

    Parameters
    ----------
    folder
        Where to look. Hidden files and folders and links are not followed.
    limits
        How far to go.

    Returns
    -------
    tuple
        Data sets to look at, and files that are none, each with the reason.
    """
    places: list[Place] = []
    leftovers: list[Leftover] = []
    for path in _files(folder, limits.max_depth):
        reason = _refusal(path, limits)
        if reason is not None:
            leftovers.append(Leftover(Place(path), reason))
        elif not _is_side_file(path):
            places.extend(_tables(path, limits.max_members))
    over = Text(zh=f"超过一次查看的上限（{limits.max_files} 个数据集）",
                en=f"beyond the limit of {limits.max_files} data sets")
    leftovers.extend(Leftover(place, over) for place in places[limits.max_files:])
    return places[:limits.max_files], leftovers


def look(place: Place, metric_crs: str, city: Bounds) -> FoundTable | Leftover:
    """Read a data set as a run would.

    Parameters
    ----------
    place
        Where it is.
    metric_crs
        CRS of the run, tried where plane coordinates say none.
    city
        Bounds of the city: west, south, east, north in WGS84 degrees.

    Returns
    -------
    FoundTable or Leftover
        What it holds, or why it cannot be used.
    """
    try:
        if place.path.suffix.lower() in _RASTERS:
            return FoundTable(place=place, raster=_look_at_raster(place.path))
        found = _look_at_vector(place, metric_crs, city)
    except SitingToolError as error:
        return Leftover(place, Text(zh=_without_place(error.text.zh, place, f"图层 '{_NAME}'："),
                                    en=_without_place(error.text.en, place, f"layer '{_NAME}': ")))
    if isinstance(found, FoundTable) and found.frame is not None and len(found.frame) == 0:
        return Leftover(place, Text(zh="没有一行带坐标的数据", en="not one row with coordinates"))
    return found


def _without_place(sentence: str, place: Place, prefix: str) -> str:
    """Leave out of a message what stands before it anyway."""
    return sentence.removeprefix(prefix).replace(str(place.path), place.path.name)


def bounds_in_degrees(frame: gpd.GeoDataFrame) -> Bounds | None:
    """Return the bounds of a frame in degrees, whatever their datum; None where its CRS is unknown or odd."""
    west, south, east, north = (float(value) for value in frame.total_bounds)
    if not np.isfinite([west, south, east, north]).all():
        return None
    if frame.crs is None or frame.crs.is_geographic:
        is_on_globe = max(-west, east) <= 360 and max(-south, north) <= 90
        return (west, south, east, north) if is_on_globe else None
    return _transformed((west, south, east, north), str(frame.crs.to_wkt()))


def _files(folder: Path, max_depth: int) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        depth = len(Path(place).relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and depth < max_depth)
        for name in [*(name for name in folders if name.lower().endswith(_GEODATABASE)), *sorted(names)]:
            if not name.startswith((".", "~$")):
                yield Path(place) / name
        folders[:] = [name for name in folders if not name.lower().endswith(_GEODATABASE)]


def _refusal(path: Path, limits: ScanLimits) -> Text | None:
    """Say why a file is not opened, or None."""
    suffix = path.suffix.lower()
    if path.is_symlink():
        return Text(zh="符号链接，不予跟随", en="a link, which is not followed")
    if path.name.lower().endswith((".osm.pbf", ".osm", ".osm.bz2")):
        return _OSM
    if _is_side_file(path):
        return None
    if suffix not in (*_VECTOR, *_TABLES, *_SHEETS, *_ARCHIVES, *_RASTERS):
        return _NOT_READ
    parts = list(path.iterdir()) if path.is_dir() else [path]
    size_mb = sum(part.stat().st_size for part in parts if part.is_file()) / (1 << 20)
    if size_mb > limits.max_file_mb and suffix not in _RASTERS:
        return Text(zh=f"文件过大（{size_mb:.0f} MB），未打开；请自行写明",
                    en=f"too big to be opened here ({size_mb:.0f} MB)")
    return None


def _is_side_file(path: Path) -> bool:
    """Tell whether a file only belongs to another one."""
    suffix = path.suffix.lower()
    has_shape = any(path.with_suffix(end).exists() for end in (".shp", ".SHP", ".tab", ".TAB"))
    return suffix in _SIDE_FILES or (suffix == ".dbf" and has_shape)


def _tables(path: Path, limit: int) -> Iterator[Place]:
    suffix = path.suffix.lower()
    tables = _members(path) if suffix in _ARCHIVES else _layers(path) if suffix in _LAYERED else []
    if len(tables) < 2:
        yield Place(path)
    else:
        yield from (Place(path, table) for table in tables[:limit])


def _members(path: Path) -> list[str]:
    """Name the data sets of an archive as a study would: without the ending where that is enough."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [_member_name(info) for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError):
        return []
    folders = folders_in(names)
    files = [PurePosixPath(name) for name in names if not name.startswith("__MACOSX/")]
    there = sorted(folders | {file for file in files if file.parent not in folders
                              and file.suffix.lower() in (*_VECTOR, *_TABLES, *_SHEETS)})
    if len(there) == 1:
        return _layers_inside(path)
    stems = [name.stem for name in there]
    return [name.stem if stems.count(name.stem) == 1 else str(name) for name in there]


def _layers_inside(path: Path) -> list[str]:
    """Name the layers of the one data set of an archive."""
    try:
        with unpacked(path, LayerSpec(name=_NAME, source="vector_file", path=str(path))) as (inner, _, _):
            return _layers(inner) if inner.suffix.lower() in _LAYERED else []
    except SitingToolError:
        return []  # looking at the archive says what is wrong with it


def _member_name(info: zipfile.ZipInfo) -> str:
    """Return the name of an entry; without the UTF-8 flag Chinese systems write GBK."""
    if info.flag_bits & 0x800:
        return info.filename
    raw = info.filename.encode("cp437", errors="replace")
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return info.filename


def _layers(path: Path) -> list[str]:
    import pyogrio

    try:
        found = pyogrio.list_layers(path)
    except (RuntimeError, ValueError):
        return []
    # Sheets have no geometry of their own; other tables without one are no layers.
    return sorted(str(name) for name, kind in found if kind is not None or path.suffix.lower() in _SHEETS)


def _look_at_vector(place: Place, metric_crs: str, city: Bounds) -> FoundTable | Leftover:
    suffix = place.path.suffix.lower()
    if suffix in (*_TABLES, *_SHEETS):
        rows, _ = read_cells(place.path, LayerSpec(name=_NAME, source="vector_file", table=place.table))
        pair = _coordinate_columns(rows)
        if pair is not None:
            return _look_at_table(place, rows.head(_PEEK_ROWS), pair, metric_crs, city)
        if not any(plain(str(column)) in ("wkt", "geometry", "geom") for column in rows.columns):
            return Leftover(place, Text(zh="没有坐标字段", en="no columns of coordinates"))
    frame, notes = _read(place, (), "")
    evidence, crs = _missing_crs(frame, metric_crs, city)
    return FoundTable(place=place, frame=frame.set_crs(crs) if crs else frame, crs=crs,
                      encoding=_encoding_to_declare(place.path), evidence=(*evidence, *notes))


def _look_at_table(place: Place, rows: pd.DataFrame, pair: tuple[str, str], metric_crs: str,
                   city: Bounds) -> FoundTable | Leftover:
    first, second = (np.array([parse_number(value) for value in rows[column].tolist()]) for column in pair)
    if not (np.isfinite(first) & np.isfinite(second)).any():
        return Leftover(place, Text(zh="没有一行带坐标的数据", en="not one row with coordinates"))
    west, south, east, north = _DEGREES
    for columns, x, y in ((pair, first, second), (pair[::-1], second, first)):
        said = Text(zh=f"坐标字段 {columns[0]}、{columns[1]}", en=f"coordinates in {columns[0]}, {columns[1]}")
        if west <= np.nanmedian(x) <= east and south <= np.nanmedian(y) <= north:
            keys, crs = (("lon", columns[0]), ("lat", columns[1])), ""
        elif _lies_in(x, y, metric_crs, city):
            keys, crs = (("x", columns[0]), ("y", columns[1])), metric_crs
            said = Text(zh=f"{said.zh}，按 {metric_crs} 落在本市",
                        en=f"{said.en}: in {metric_crs} they lie in the city")
        elif columns == pair and np.nanmax(np.abs(x)) <= 180.0 and np.nanmax(np.abs(y)) <= 90.0:
            keys, crs = (("lon", columns[0]), ("lat", columns[1])), ""  # degrees of the whole globe
        else:
            continue
        frame, notes = _read(place, keys, crs)
        return FoundTable(place=place, frame=frame, columns=keys, crs=crs, encoding=_encoding_to_declare(place.path),
                          evidence=(said, *notes))
    names = ", ".join(pair)
    return Leftover(place, Text(zh=f"字段 {names} 既不是中国的经纬度，也不是 {metric_crs} 下本市的坐标",
                                en=f"{names} are neither degrees in China nor in the city in {metric_crs}"))


def _read(place: Place, columns: tuple[tuple[str, str], ...], crs: str) -> tuple[gpd.GeoDataFrame, tuple[Text, ...]]:
    from layers.sources.types import LoadContext
    from layers.sources.vector_file import read

    spec = LayerSpec(name=_NAME, source="vector_file", path=str(place.path), table=place.table, columns=columns,
                     crs=crs)
    try:
        raw = read(spec, LoadContext(metric_crs="EPSG:4547", frames={}))
    except (OSError, RuntimeError, ValueError, TypeError, KeyError) as error:
        # One odd file must not end the look through all the others.
        raise LayerError(f"cannot be read ({type(error).__name__})", f"无法读取（{type(error).__name__}）") from error
    return raw.frame, raw.reading_notes


def _coordinate_columns(rows: pd.DataFrame) -> tuple[str, str] | None:
    by_word = {plain(str(column)): str(column) for column in reversed(rows.columns.tolist())}
    for lon, lat in coordinate_words():
        if lon in by_word and lat in by_word:
            return by_word[lon], by_word[lat]
    return None


def _lies_in(x: np.ndarray, y: np.ndarray, metric_crs: str, city: Bounds) -> bool:
    """Tell whether most plane coordinates lie within the bounds of the city."""
    from pyproj import Transformer

    move = Transformer.from_crs(metric_crs, "EPSG:4326", always_xy=True)
    with np.errstate(invalid="ignore"):
        lon, lat = move.transform(x, y)
        is_in = (lon >= city[0]) & (lon <= city[2]) & (lat >= city[1]) & (lat <= city[3])
    return bool(len(x)) and float(np.mean(is_in)) > 0.5


def _missing_crs(frame: gpd.GeoDataFrame, metric_crs: str, city: Bounds) -> tuple[tuple[Text, ...], str]:
    if frame.crs is not None or frame.empty:
        return (), ""
    middles = frame.geometry.dropna().representative_point()
    x, y = middles.x.to_numpy(), middles.y.to_numpy()
    if len(x) and _DEGREES[0] <= np.nanmedian(x) <= _DEGREES[2] and _DEGREES[1] <= np.nanmedian(y) <= _DEGREES[3]:
        return (Text(zh="文件没有坐标系，坐标是经纬度", en="the file has no CRS, its coordinates are degrees"),), _WGS84
    if _lies_in(x, y, metric_crs, city):
        return (Text(zh=f"文件没有坐标系，按 {metric_crs} 落在本市",
                     en=f"the file has no CRS; in {metric_crs} it lies in the city"),), metric_crs
    raise LayerError("the file has no CRS and does not lie in the city in the CRS of the run; declare its crs",
                     "文件没有坐标系，按本市坐标系也不落在本市；请声明 crs")


def _encoding_to_declare(path: Path) -> str:
    """Return GB18030 for text that does not say its encoding and is not UTF-8; empty otherwise."""
    if path.suffix.lower() in _TABLES:
        text = path.read_bytes()
    elif path.suffix.lower() == ".shp" and not path.with_suffix(".cpg").exists():
        tables = [path.with_suffix(end) for end in (".dbf", ".DBF")]
        text = _dbase_text(next((table for table in tables if table.exists()), None))
    else:
        return ""
    for encoding, name in (("utf-8", ""), ("gb18030", "GB18030")):
        try:
            text.decode(encoding)
        except UnicodeDecodeError:
            continue
        return name
    return ""


def _dbase_text(path: Path | None) -> bytes:
    """Return names and rows of a dBase table that names no code page of its own."""
    content = b"" if path is None else path.read_bytes()
    if len(content) < 32 or content[29] not in (0, 0x57):
        return b""
    header = int.from_bytes(content[8:10], "little")
    return b"".join(content[start:start + 11] for start in range(32, header - 1, 32)) + content[header:]


def _look_at_raster(path: Path) -> RasterLook:
    import rasterio
    from rasterio.errors import RasterioError

    check_content(path, _NAME)
    is_mosaic = path.suffix.lower() == ".vrt"
    spec = LayerSpec(name=_NAME, source="raster_file", path=str(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with rasterio.open(mosaic_in(path, spec).document if is_mosaic else path) as dataset:
                shape = tuple(min(size, _THUMBNAIL) for size in (dataset.height, dataset.width))
                cells = dataset.read(1, out_shape=shape, masked=True)
                crs, kind = dataset.crs, dataset.dtypes[0]
                west, south, east, north = dataset.bounds
    except (RasterioError, ValueError, OSError) as error:
        raise LayerError("not a raster that can be read", "无法作为栅格读取") from error
    values = np.unique(cells.compressed())
    values = values[np.isfinite(values)]
    return RasterLook(
        crs=crs.to_wkt() if crs else "",
        bounds_wgs84=_transformed((west, south, east, north), crs.to_wkt()) if crs else None,
        is_integer=np.dtype(kind).kind in "iu", lowest=float(values[0]) if len(values) else float("nan"),
        highest=float(values[-1]) if len(values) else float("nan"), n_values=len(values))


def _transformed(bounds: Bounds, crs: str) -> Bounds | None:
    from pyproj import CRS, Transformer
    from pyproj.exceptions import ProjError

    if CRS.from_wkt(crs).is_geographic:
        return bounds
    try:
        west, south, east, north = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform_bounds(*bounds)
    except ProjError:
        return None
    return (west, south, east, north) if np.isfinite([west, south, east, north]).all() else None


def sort_key(place: Place) -> tuple[str, str]:
    """Return what puts data sets in an order that does not depend on the machine."""
    return unicodedata.normalize("NFC", place.path.as_posix()), place.table
