"""Shapefiles: all their parts, and text in whatever encoding it turns out to be."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd

from gis.bilingual import Text
from gis.errors import LayerError
from layers.sources.encodings import Claim, choose_encoding, decode_cut
from layers.sources.files import gdal_silence, reason_of
from layers.sources.row_filter import rows_where
from layers.types import LayerSpec

_PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")
_CODE_PAGES = {0x4D: "GBK", 0x4E: "cp949", 0x4F: "Big5", 0x7A: "GBK", 0x7B: "cp932", 0x01: "cp437", 0x02: "cp850"}
"""Code pages that byte 29 of a .dbf names; 0 and 0x57 (the writer's own system) say nothing."""


def read_shapefile(path: Path, spec: LayerSpec) -> tuple[gpd.GeoDataFrame, tuple[Text, ...]]:
    """Read a shapefile.

    Parameters
    ----------
    path
        The .shp.
    spec
        ``encoding`` goes before the .cpg, and that before the code page in the .dbf; none of them is
        believed against the text itself. ``where`` selects rows.

    Returns
    -------
    tuple
        The rows, and how the text was read where that is worth a word.

    Raises
    ------
    LayerError
        A part is missing, cut off or of another shapefile; or no encoding fits.
    """
    import pyogrio

    parts = parts_of(path)
    _check_parts(path, parts, spec.name)
    try:
        with gdal_silence():
            # Every byte is a letter of Latin-1, so that nothing is lost before the encoding is known.
            raw = pyogrio.read_dataframe(path, encoding="ISO-8859-1", force_2d=True, on_invalid="ignore")
    except (ValueError, RuntimeError) as error:
        raise LayerError(
            f"layer {spec.name!r}: shapefile {path} cannot be read ({reason_of(error)}); copy all its parts again",
            f"图层 {spec.name!r}：Shapefile {path} 无法读取（{reason_of(error)}）；请重新复制其全部文件",
        ) from error
    frame, notes = _decoded(raw, path, _claims(parts, spec), spec.name)
    if spec.where:
        frame = frame[rows_where(frame.drop(columns="geometry"), spec.where, spec.name)]
    return frame, notes


def parts_of(path: Path) -> dict[str, Path]:
    """Return the parts of a shapefile that are there, by their endings in small letters, ``.shp`` first."""
    found = {part.suffix.lower(): part for part in sorted(path.parent.iterdir())
             if part.stem == path.stem and part.suffix.lower() in _PARTS}
    found[".shp"] = path
    return {end: found[end] for end in _PARTS if end in found}


def _check_parts(path: Path, parts: dict[str, Path], layer: str) -> None:
    absent = [end for end in (".shx", ".dbf") if end not in parts]
    if absent:
        raise LayerError(
            f"layer {layer!r}: shapefile {path} lacks its {' and '.join(absent)}; a shapefile is several files of one "
            "name, copy them all",
            f"图层 {layer!r}：Shapefile {path} 缺少 {'、'.join(absent)}；Shapefile 由多个同名文件组成，请全部复制",
        )
    shapes, table = path.read_bytes()[:100], parts[".dbf"].read_bytes()[:32]
    n_shapes = (parts[".shx"].stat().st_size - 100) // 8
    n_rows, header, row = (int.from_bytes(table[a:b], "little") for a, b in ((4, 8), (8, 10), (10, 12)))
    cut = [part for part, wanted in ((path, max(2 * int.from_bytes(shapes[24:28], "big"), 100)),
                                     (parts[".dbf"], max(header + n_rows * row, 33)), (parts[".shx"], 100))
           if part.stat().st_size < wanted]
    if cut:
        raise LayerError(
            f"layer {layer!r}: {cut[0]} is cut off: it holds fewer bytes than it says; copy the shapefile again",
            f"图层 {layer!r}：{cut[0]} 不完整：实际字节数少于文件头所述；请重新复制该 Shapefile",
        )
    if n_shapes != n_rows:
        raise LayerError(
            f"layer {layer!r}: shapefile {path} has {n_shapes} shapes and {n_rows} rows of attributes; its parts are "
            "not of one export, export it again",
            f"图层 {layer!r}：Shapefile {path} 有 {n_shapes} 个图形、{n_rows} 行属性；"
            "各文件不是同一次导出的，请重新导出",
        )


def _claims(parts: dict[str, Path], spec: LayerSpec) -> list[Claim]:
    """Collect who says what of the encoding, the most trusted first."""
    claims = [Claim(spec.encoding, "方案文件", "the study file")] if spec.encoding else []
    if ".cpg" in parts:
        said = parts[".cpg"].read_bytes()[:40].decode("ascii", errors="ignore").strip().strip("\x00")
        claims += [Claim(said, ".cpg 文件", "the .cpg")] if said else []
    with parts[".dbf"].open("rb") as file:
        page = _CODE_PAGES.get(file.read(30)[29])
    return [*claims, Claim(page, ".dbf 代码页", "the .dbf")] if page else claims


def _decoded(raw: gpd.GeoDataFrame, path: Path, claims: list[Claim],
             layer: str) -> tuple[gpd.GeoDataFrame, tuple[Text, ...]]:
    """Turn text that was read byte by byte into letters."""
    texts = [name for name in raw.columns if name != "geometry" and raw[name].dtype.kind in "OTU"]
    cells = {name: [value.encode("latin-1") if isinstance(value, str) else None for value in raw[name].tolist()]
             for name in texts}
    names = [str(name).encode("latin-1") for name in raw.columns]
    choice = choose_encoding([*names, *(cell for column in cells.values() for cell in column if cell)], claims)
    if not choice.encoding:
        raise LayerError(
            f"layer {layer!r}: the text of {path} is in no encoding that was tried (those declared, UTF-8, GB18030); "
            f"write the right one as encoding under [layers.{layer}]",
            f"图层 {layer!r}：{path} 的文字不是已尝试的任何编码（所声明的编码、UTF-8、GB18030）；"
            f"请在 [layers.{layer}] 下用 encoding 写明其实际编码",
        )
    columns = {str(name): [None if cell is None else decode_cut(cell, choice.encoding) for cell in column]
               for name, column in cells.items()}
    n_bad = sum(text is not None and "\ufffd" in text for column in columns.values() for text in column)
    frame = raw.assign(**columns)
    frame = frame.rename(columns={name: decode_cut(own, choice.encoding)
                                  for name, own in zip(raw.columns, names, strict=True)})
    notes: tuple[Text, ...] = (choice.note,) if choice.note else ()
    if n_bad:
        notes += (Text(zh=f"{n_bad} 个文字取值含有损坏的字节", en=f"{n_bad} text values hold broken bytes"),)
    return frame, notes
