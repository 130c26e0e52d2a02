"""The file that a spec names, and whether it is what its name says."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gis.errors import LayerError, LayerNotFoundError
from layers.types import LayerSpec

_HEAD_BYTES = 4096
_BLOCK_BYTES = 1 << 20
_ZIP, _SHAPE, _SQLITE, _FLAT, _PARQUET, _EXCEL, _HTML, _XML, _JSON, _PDF, _TIFF, _VRT = (
    "ZIP", "Shapefile", "SQLite/GeoPackage", "FlatGeobuf", "Parquet", "Excel 97 (.xls)", "HTML", "XML/KML", "JSON",
    "PDF", "GeoTIFF", "VRT",
)
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", _ZIP), (b"PK\x05\x06", _ZIP), (b"\x00\x00\x27\x0a", _SHAPE), (b"SQLite format 3\x00", _SQLITE),
    (b"fgb\x03", _FLAT), (b"PAR1", _PARQUET), (b"\xd0\xcf\x11\xe0", _EXCEL), (b"%PDF", _PDF), (b"II*\x00", _TIFF),
    (b"MM\x00*", _TIFF), (b"II+\x00", _TIFF), (b"MM\x00+", _TIFF),
)
_EXPECTED = {
    ".gpkg": _SQLITE, ".fgb": _FLAT, ".shp": _SHAPE, ".parquet": _PARQUET, ".geoparquet": _PARQUET, ".xlsx": _ZIP,
    ".zip": _ZIP, ".kmz": _ZIP, ".geojson": _JSON, ".json": _JSON, ".kml": _XML, ".tif": _TIFF, ".tiff": _TIFF,
    ".vrt": _VRT,
}
_POINTERS = (b"<ogrvrtdatasource", b"<ogrwfsdatasource", b"<gdal_wms", b"<gdal_wmts", b"<wcs_gdal", b"<wmt_ms_cap",
             b"<wms_capab", b"<capabilities", b'"stac_version"')
"""What GDAL takes, whatever the file is called, for the address of data elsewhere, in a network too."""
_TABLES = (".csv", ".tsv", ".txt")


def existing_file(spec: LayerSpec) -> Path:
    """Return the path of the spec's file, which is there and begins as its name says.

    Parameters
    ----------
    spec
        ``path`` names the file.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    LayerNotFoundError
        There is no such file.
    LayerError
        It is a folder, empty, cannot be opened, or holds another format than its name says.
    """
    path = Path(spec.path)
    if not spec.path or not path.exists():
        raise LayerNotFoundError(
            f"layer {spec.name!r}: there is no file {spec.path or '(no path given)'}; check path under "
            f"[layers.{spec.name}] in the study file",
            f"图层 {spec.name!r}：找不到文件 {spec.path or '（未写 path）'}；"
            f"请检查方案文件 [layers.{spec.name}] 下的 path",
        )
    if path.is_dir():
        raise LayerError(f"layer {spec.name!r}: {path} is a folder, not a file; name one file in it as path",
                         f"图层 {spec.name!r}：{path} 是文件夹，不是文件；请用 path 指明其中的一个文件")
    check_content(path, spec.name)
    return path


def sha256_of(files: Sequence[str]) -> str:
    """Return the SHA-256 of files read one after another, in hexadecimal.

    Parameters
    ----------
    files
        Paths; for one file this is what ``sha256sum`` prints, for the parts of a shapefile what
        ``cat`` of them in this order would give.

    Returns
    -------
    str
        64 digits; empty for no file.

    Raises
    ------
    LayerError
        A file cannot be read.
    """
    if not files:
        return ""
    digest = hashlib.sha256()
    for name in files:
        try:
            with Path(name).open("rb") as file:
                while block := file.read(_BLOCK_BYTES):
                    digest.update(block)
        except OSError as error:
            raise LayerError(f"cannot read {name}: {error.strerror}; check the permission of the file",
                             f"无法读取 {name}：{error.strerror}；请检查文件权限") from error
    return digest.hexdigest()


def check_content(path: Path, name: str, shown: str = "") -> None:
    """Raise where a file is empty, begins like another format than its name says, or points to data elsewhere.

    Parameters
    ----------
    path
        The file.
    name
        Layer, for the message.
    shown
        How the message calls the file, where it is not its path (a member of an archive).

    Raises
    ------
    LayerError
        See above.
    """
    shown = shown or str(path)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise LayerError(f"layer {name!r}: cannot open {shown} ({error.strerror}); check the permission of the file",
                         f"图层 {name!r}：无法打开 {shown}（{error.strerror}）；请检查文件权限") from error
    if not head:
        raise LayerError(f"layer {name!r}: {shown} is empty (0 bytes); copy or export the file again",
                         f"图层 {name!r}：{shown} 是空文件（0 字节）；请重新复制或导出")
    found, suffix = format_of(head), path.suffix.lower()
    if found in ("", _XML, _JSON) and any(pointer in head.lower() for pointer in _POINTERS):
        raise LayerError(
            f"layer {name!r}: {shown} holds no data, only where other data lie; name those data themselves as path",
            f"图层 {name!r}：{shown} 不含数据，只写明数据在别处；请用 path 直接指明数据文件",
        )
    expected = _EXPECTED.get(suffix)
    is_unfit = found == _VRT or (suffix in _TABLES and found not in ("", _JSON))
    if found and (found != expected if expected else is_unfit):
        says = expected or "text"
        raise LayerError(
            f"layer {name!r}: {shown} is named like {says} but holds {found}; export it again in the format that its "
            "name says, or give it the ending of what it holds",
            f"图层 {name!r}：{shown} 的扩展名表示 {says}，内容却是 {found}；"
            "请按扩展名的格式重新导出，或改为与内容相符的扩展名",
        )


def format_of(head: bytes) -> str:
    """Name the format that a file begins like, or nothing where the beginning says nothing."""
    for beginning, name in _BEGINNINGS:
        if head.startswith(beginning):
            return name
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<vrtdataset" in text:
        return _VRT
    if text.startswith((b"<!doctype html", b"<html")):
        return _HTML
    if text.startswith((b"<?xml", b"<kml")):
        return _XML
    return _JSON if text.startswith((b"{", b"[")) else ""


@contextmanager
def gdal_silence() -> Iterator[None]:
    """Keep what GDAL mutters off the user's screen; what matters is an exception or is checked row by row."""
    for package in ("pyogrio", "rasterio"):
        logger = logging.getLogger(package)
        # Without any handler Python prints warnings of a library to stderr.
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def reason_of(error: Exception) -> str:
    """Return the first line of a foreign error, short enough for a sentence."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(".; ")


def not_a_vector_file(path: Path, name: str, error: Exception) -> LayerError:
    """Return the error of a file that no reader understands.

    Parameters
    ----------
    path
        The file, as the user calls it.
    name
        Layer, for the message.
    error
        What the reader said.
    """
    reason = reason_of(error)
    return LayerError(
        f"layer {name!r}: {path} cannot be read as vector data ({reason}); check that the file is complete",
        f"图层 {name!r}：{path} 无法作为矢量数据读取（{reason}）；请检查文件是否完整",
    )
