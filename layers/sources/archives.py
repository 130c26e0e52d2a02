"""Zipped files: one data set out of a .zip or .kmz, unpacked with care.

Options
-------
``unpack_limit_mb``
    Megabytes that an archive may unpack to; 2048 unless told.
``unpack_ratio``
    How many times its own size an archive may unpack to; 200 unless told.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gis.bilingual import Text
from gis.errors import LayerError, LayerNotFoundError, UsageError
from layers.sources import geodatabase
from layers.sources.files import reason_of
from layers.types import LayerSpec

SUFFIXES = (".zip", ".kmz")
"""Ends of the file names that are read as archives."""

_LIMIT_MB, _RATIO = 2048, 200
# Text fields of a .dbf are mostly blanks and shrink a thousandfold; what unpacks to this little harms nobody.
_HARMLESS_BYTES = 1 << 20
_READABLE = (".shp", ".gpkg", ".geojson", ".json", ".fgb", ".parquet", ".geoparquet", ".kml", ".csv", ".tsv", ".xlsx")


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive."""

    name: str
    """Path inside the archive, with slashes, in readable letters."""

    info: zipfile.ZipInfo
    """Its entry."""

    @property
    def path(self) -> PurePosixPath:
        """The name in parts."""
        return PurePosixPath(self.name)


@dataclass(frozen=True, slots=True)
class DataSet:
    """What an archive holds that can be read: one file with those that belong to it, or a geodatabase."""

    path: PurePosixPath
    """Its file or, for a geodatabase, its folder, inside the archive."""

    parts: tuple[Member, ...]
    """The files to unpack."""

    is_folder: bool = False

    @property
    def file_name(self) -> str:
        """What it is unpacked as."""
        name = self.path.name
        return f"{name.removesuffix('.gdb')}.gdb" if self.is_folder else name

    def is_called(self, name: str) -> bool:
        """Tell whether a study may mean it by ``name``: its name with or without ending, or its path."""
        return name in (self.path.stem, self.path.name, str(self.path))


@contextmanager
def unpacked(path: Path, spec: LayerSpec) -> Iterator[tuple[Path, str, Text]]:
    """Unpack the data set that a spec wants, for as long as it is read.

    Parameters
    ----------
    path
        The archive.
    spec
        ``table`` names the data set where the archive holds several ("地块" or "地块.shp"), and the layer in it where
        that holds several too ("规划.gdb/地块").

    Yields
    ------
    tuple
        The unpacked file (a geodatabase: folder), the ``table`` that is left to be looked for inside it, and a note.

    Raises
    ------
    LayerError
        The archive is broken, locked, too big unpacked, or has entries that lead out of it.
    LayerNotFoundError
        It holds no data set that can be read, or not the one that ``table`` names.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise _broken(path, spec.name, error) from error
    with archive, tempfile.TemporaryDirectory() as folder:
        members = [Member(_readable_name(info), info) for info in archive.infolist() if not info.is_dir()]
        _check_names(members, path, spec.name)
        _check_size(members, path, spec)
        chosen, table = _chosen(members, path, spec)
        place = Path(folder) / chosen.file_name
        if chosen.is_folder:
            place.mkdir()
        for member in chosen.parts:
            _unpack(archive, member, place if chosen.is_folder else Path(folder), path, spec.name)
        note = Text(zh=f"读取压缩包中的 {chosen.path}", en=f"read {chosen.path} from the archive")
        # The other letter case of a part (.DBF beside .shp) is for GDAL to find.
        yield place, table, note


def check_archive(path: Path, spec: LayerSpec) -> None:
    """Raise where a file that is a zip inside (an .xlsx) is broken or unpacks to too much.

    Raises
    ------
    LayerError
        See above.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [Member(_readable_name(info), info) for info in archive.infolist()]
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise _broken(path, spec.name, error) from error
    _check_size(members, path, spec)


def _readable_name(info: zipfile.ZipInfo) -> str:
    """Return the name of an entry; without the UTF-8 flag Chinese systems write GBK, and some write UTF-8."""
    name = info.filename
    if not info.flag_bits & 0x800:
        raw = name.encode("cp437", errors="replace")
        for encoding in ("utf-8", "gb18030"):
            try:
                name = raw.decode(encoding)
                break
            except UnicodeDecodeError:
                continue
    return name.replace("\\", "/")


def _check_names(members: list[Member], path: Path, layer: str) -> None:
    """Raise where an entry would land outside the folder it is unpacked to; none of an honest archive does."""
    for member in members:
        if member.name.startswith("/") or ".." in member.path.parts or re.match(r"[A-Za-z]:", member.name):
            raise LayerError(
                f"layer {layer!r}: {path} has an entry that leads out of the archive ({member.name[:80]!r}); do not "
                "use this file, pack the data anew",
                f"图层 {layer!r}：{path} 含有指向压缩包之外的条目（{member.name[:80]!r}）；"
                "请勿使用该文件，请重新打包数据",
            )


def _check_size(members: list[Member], path: Path, spec: LayerSpec) -> None:
    limit = _positive(spec, "unpack_limit_mb", _LIMIT_MB) * (1 << 20)
    ratio = _positive(spec, "unpack_ratio", _RATIO)
    total = sum(member.info.file_size for member in members)
    size = max(path.stat().st_size, 1)
    is_swollen = total > _HARMLESS_BYTES and total > ratio * size
    if total <= limit and not is_swollen:
        return
    mb = total / (1 << 20)
    key, why_en, why_zh = (
        ("unpack_ratio", f"{total / size:.0f} times its size, limit {ratio:.0f}",
         f"为其自身的 {total / size:.0f} 倍，上限 {ratio:.0f} 倍") if is_swollen
        else ("unpack_limit_mb", f"limit {limit / (1 << 20):.0f} MB", f"上限 {limit / (1 << 20):.0f} MB"))
    raise LayerError(
        f"layer {spec.name!r}: {path} would unpack to {mb:.0f} MB ({why_en}); unpack it yourself if you trust it, or "
        f"raise {key} in options under [layers.{spec.name}]",
        f"图层 {spec.name!r}：{path} 解压后达 {mb:.0f} MB（{why_zh}）；如确认可信，请自行解压，"
        f"或在 [layers.{spec.name}] 的 options 中调高 {key}",
    )


def _positive(spec: LayerSpec, key: str, default: int) -> float:
    value = spec.option(key, default)
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return float(value)
    raise UsageError(f"layer {spec.name!r}: the option {key} must be a positive number, not {value!r}",
                     f"图层 {spec.name!r}：选项 {key} 须为正数，现为 {value!r}")


def _data_sets(members: list[Member]) -> list[DataSet]:
    """Return what can be read, in the order of the archive, geodatabases last."""
    folders = geodatabase.folders_in(member.name for member in members)
    files = [member for member in members if not member.name.startswith("__MACOSX/") and
             member.path.parent not in folders]
    found = []
    for member in files:
        if member.path.suffix.lower() in _READABLE:
            stem = member.path.name.split(".")[0]
            found.append(DataSet(member.path, tuple(part for part in files if part.path.parent == member.path.parent
                                                    and part.path.name.split(".")[0] == stem)))
    return found + [DataSet(folder, tuple(part for part in members if part.path.parent == folder), is_folder=True)
                    for folder in sorted(folders)]


def _chosen(members: list[Member], path: Path, spec: LayerSpec) -> tuple[DataSet, str]:
    """Return the data set to read and the table that is left to look for inside it."""
    there = _data_sets(members)
    named = [one for one in there if one.is_called(spec.table)]
    if len(named) == 1:
        return named[0], ""
    if len(there) == 1:
        return there[0], spec.table
    outer, _, inner = spec.table.rpartition("/")
    within = [one for one in there if outer and one.is_called(outer)]
    if len(within) == 1:
        return within[0], inner
    known = ", ".join(str(one.path) for one in there[:20])
    if not there:
        inside = ", ".join(member.name for member in members[:10]) or "nothing"
        raise LayerNotFoundError(
            f"layer {spec.name!r}: {path} holds no data set that can be read; it holds: {inside}; pack a shapefile, "
            "GeoPackage, file geodatabase, GeoJSON, KML, CSV or XLSX",
            f"图层 {spec.name!r}：{path} 中没有可读取的数据；其内容：{inside}；请打包 Shapefile、GeoPackage、"
            "文件地理数据库、GeoJSON、KML、CSV 或 XLSX",
        )
    raise LayerNotFoundError(
        f"layer {spec.name!r}: {path} holds several data sets ({known}); name one as table under "
        f"[layers.{spec.name}] in the study file",
        f"图层 {spec.name!r}：{path} 含多个数据集（{known}）；请在方案文件 [layers.{spec.name}] 下用 table 指定一个",
    )


def _unpack(archive: zipfile.ZipFile, member: Member, folder: Path, path: Path, layer: str) -> None:
    if member.info.flag_bits & 0x1:
        raise LayerError(f"layer {layer!r}: {path} is locked with a password; unpack it and name the file inside",
                         f"图层 {layer!r}：{path} 有密码；请先解压，再写明其中的文件")
    try:
        # Reading stops at the size that the entry declares, which is checked, so a lie cannot fill the disk.
        with archive.open(member.info) as source, (folder / member.path.name).open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, RuntimeError) as error:
        raise _broken(path, layer, error) from error


def _broken(path: Path, layer: str, error: Exception) -> LayerError:
    return LayerError(
        f"layer {layer!r}: {path} cannot be unpacked ({reason_of(error)}); copy it again or pack the data anew",
        f"图层 {layer!r}：{path} 无法解压（{reason_of(error)}）；请重新复制，或重新打包数据",
    )
