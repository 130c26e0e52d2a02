"""File geodatabases of ArcGIS (``NAME.gdb``): a folder whose feature classes GDAL's OpenFileGDB reads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from gis.errors import LayerError
from layers.types import LayerSpec

SUFFIX = ".gdb"
CATALOGUE = "a00000001.gdbtable"
"""The table of tables, which every geodatabase has."""

_LOCK = ".lock"


def is_geodatabase(path: Path) -> bool:
    """Tell whether a path names a folder as geodatabases are named."""
    return path.suffix.lower() == SUFFIX and path.is_dir()


def files_of(folder: Path, spec: LayerSpec) -> tuple[Path, ...]:
    """Return the files of a geodatabase, sorted by name, without the locks of whoever has it open.

    Parameters
    ----------
    folder
        The ``.gdb``.
    spec
        Names the layer, for messages.

    Raises
    ------
    LayerError
        The folder is no geodatabase, or a file of it is a link to somewhere else.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() != _LOCK)
    if CATALOGUE not in [path.name for path in files]:
        raise LayerError(
            f"layer {spec.name!r}: {folder} is named like a file geodatabase but holds no {CATALOGUE}; copy the whole "
            "folder again, with all files in it",
            f"图层 {spec.name!r}：{folder} 的名称是文件地理数据库，其中却没有 {CATALOGUE}；"
            "请连同其中全部文件重新复制整个文件夹",
        )
    home = folder.resolve()
    strays = [path.name for path in files if path.resolve().parent != home]
    if strays:
        raise LayerError(
            f"layer {spec.name!r}: {strays[0]} in {folder} is a link to somewhere else; copy the whole geodatabase",
            f"图层 {spec.name!r}：{folder} 中的 {strays[0]} 是指向别处的链接；请复制完整的地理数据库",
        )
    return tuple(files)


def folders_in(names: Iterable[str]) -> set[PurePosixPath]:
    """Return the folders among the members of an archive that are geodatabases, whatever they are called.

    Parameters
    ----------
    names
        Paths of members, with slashes.
    """
    return {path.parent for path in map(PurePosixPath, names) if path.name == CATALOGUE}
