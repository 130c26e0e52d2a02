"""Several raster files as one: the tiles of a folder or pattern, or the mosaic that a ``.vrt`` describes.

Nothing is merged: GDAL is given a document that says which file lies where, and reads what a window needs. The document
is always of this module's making, so that what was checked is what is read: only files below the folder that the study
names, nothing over a network, no code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
from affine import Affine

from gis.bilingual import Text
from gis.errors import LayerError, LayerNotFoundError
from layers.sources.files import check_content, reason_of
from layers.types import LayerSpec

SUFFIXES = (".tif", ".tiff", ".img", ".asc", ".hgt", ".bil", ".dem")
"""Ends of the names of files that count as tiles in a folder."""

_SLACK_CELLS = 0.01
"""How far the grids of two tiles may lie apart, in cells: coordinates in degrees are written rounded."""
_TYPES = {"uint8": "Byte", "int8": "Int8", "uint16": "UInt16", "int16": "Int16", "uint32": "UInt32", "int32": "Int32",
          "uint64": "UInt64", "int64": "Int64", "float32": "Float32", "float64": "Float64"}
_BAND_KINDS = ("", "VRTSourcedRasterBand")
_SOURCES = ("simplesource", "complexsource", "averagedsource")
_NOT_PLAIN = ("openoptions", "sourcedataset", "pixelfunctiontype", "pixelfunctioncode", "gdalwarpoptions", "group")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mosaic:
    """Several files as one raster."""

    document: str
    """What GDAL reads instead of a file: VRT with the bands of the files."""
    files: tuple[Path, ...]
    """Every file, to be hashed; the first names the layer."""
    notes: tuple[Text, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One file of several that are to be one raster."""

    path: Path
    crs: str
    """WKT; empty where the file does not say."""
    crs_name: str
    transform: Affine
    shape: tuple[int, int]
    """Rows and columns."""
    dtypes: tuple[str, ...]
    """By band, as what follows."""
    nodata: tuple[float | None, ...]
    scales: tuple[tuple[float, float], ...]
    """Factor and summand."""
    is_masked: tuple[bool, ...]
    """A mask beside the cells says where there is no data."""

    @property
    def is_bare(self) -> bool:
        """Tell whether nothing says where there is no data."""
        return any(missing is None and not masked and not dtype.startswith("float")
                   for missing, masked, dtype in zip(self.nodata, self.is_masked, self.dtypes, strict=True))


def is_several(path: str) -> bool:
    """Tell whether a path names several files: a folder, or a pattern with ``*`` or ``?``."""
    return bool(path) and (Path(path).is_dir() or (any(mark in path for mark in "*?") and not Path(path).exists()))


def tiles_of(spec: LayerSpec) -> tuple[Tile, ...]:
    """Return the tiles that a folder or pattern names, by name, all on one grid.

    Parameters
    ----------
    spec
        ``path``.

    Raises
    ------
    LayerNotFoundError
        There is none.
    LayerError
        One is a link out of the folder, is no raster, or does not fit the others.
    """
    from layers.sources.files import gdal_silence

    files = _tile_files(spec)
    with gdal_silence():
        tiles = tuple(_tile(path, spec.name) for path in files)
    _check_alike(tiles, spec.name)
    return tiles


def mosaic_of(tiles: Sequence[Tile]) -> Mosaic:
    """Return tiles as one raster; where they overlap, the last by name lies on top.

    Parameters
    ----------
    tiles
        On one grid.
    """
    grid = tiles[0].transform
    places = [_place(tile, grid) for tile in tiles]
    left, top = min(column for column, _ in places), min(row for _, row in places)
    width = max(column + tile.shape[1] for tile, (column, _) in zip(tiles, places, strict=True)) - left
    height = max(row + tile.shape[0] for tile, (_, row) in zip(tiles, places, strict=True)) - top
    root = ET.Element("VRTDataset", rasterXSize=str(width), rasterYSize=str(height))
    if tiles[0].crs:
        ET.SubElement(root, "SRS", dataAxisToSRSAxisMapping="1,2").text = tiles[0].crs
    origin = (grid.c + left * grid.a, grid.a, 0.0, grid.f + top * grid.e, 0.0, grid.e)
    ET.SubElement(root, "GeoTransform").text = ", ".join(repr(float(number)) for number in origin)
    for band in range(len(tiles[0].dtypes)):
        cells = ET.SubElement(root, "VRTRasterBand", dataType="Float64", band=str(band + 1))
        # Gaps and what a tile says is no data look the same, whatever value each tile has for it.
        ET.SubElement(cells, "NoDataValue").text = "nan"
        for tile, (column, row) in zip(tiles, places, strict=True):
            _add_source(cells, tile, band, (column - left, row - top))
    notes = [Text(zh=f"{len(tiles)} 个分幅作为一个栅格读取，重叠处以文件名靠后者为准",
                  en=f"{len(tiles)} tiles read as one raster; where they overlap, the last by name counts")]
    n_bare = sum(tile.is_bare for tile in tiles)
    if n_bare:
        notes.append(Text(zh=f"{n_bare} 个分幅未声明无数据值，其每个像元都按有效值处理",
                          en=f"{n_bare} tiles name no value for missing data; every cell of them counts as data"))
    return Mosaic(document=ET.tostring(root, encoding="unicode"), files=tuple(tile.path for tile in tiles),
                  notes=tuple(notes))


def mosaic_in(path: Path, spec: LayerSpec) -> Mosaic:
    """Return the mosaic that a ``.vrt`` describes.

    Parameters
    ----------
    path
        The file.
    spec
        Names the layer, for messages.

    Raises
    ------
    LayerError
        It is no XML, describes more than a plain mosaic, or a member is missing, lies outside its folder or is no
        raster file itself.
    """
    root = _parsed(path, spec.name)
    members: list[Path] = []
    for element in root.iter():
        if element.tag.lower() == "sourcefilename":
            member = _member(element, path, spec.name)
            members.append(member)
            element.attrib.clear()
            element.set("relativeToVRT", "0")
            element.text = str(member.absolute())
    files = tuple(dict.fromkeys((path, *members)))
    note = Text(zh=f"VRT 由 {len(files) - 1} 个文件拼成", en=f"a VRT of {len(files) - 1} files")
    return Mosaic(document=ET.tostring(root, encoding="unicode"), files=files, notes=(note,))


def only_band(document: str, band: int) -> str:
    """Return the document of a mosaic with one of its bands, numbered from 1, as its first."""
    root = ET.fromstring(document)
    bands = [element for element in root if element.tag.lower() == "vrtrasterband"]
    for place, element in enumerate(bands, 1):
        if place == band:
            element.set("band", "1")
        else:
            root.remove(element)
    return ET.tostring(root, encoding="unicode")


def _tile_files(spec: LayerSpec) -> list[Path]:
    if Path(spec.path).is_dir():
        base, found = Path(spec.path), [path for path in Path(spec.path).iterdir() if path.suffix.lower() in SUFFIXES]
    else:
        parts = Path(spec.path).parts
        fixed = next(i for i, part in enumerate(parts) if any(mark in part for mark in "*?"))
        base = Path(*parts[:fixed])
        pattern = str(Path(*(part.replace("[", "[[]") for part in parts[fixed:])))
        ending = Path(spec.path).suffix
        is_any = not ending or any(mark in ending for mark in "*?")
        found = [path for path in base.glob(pattern) if not is_any or path.suffix.lower() in SUFFIXES]
    files = sorted(path for path in found if path.is_file() and not path.name.startswith("."))
    if not files:
        raise LayerNotFoundError(
            f"layer {spec.name!r}: {spec.path} names no raster file; check path under [layers.{spec.name}] in the "
            'study file: a folder of tiles, or a pattern such as "dem/*.tif"',
            f"图层 {spec.name!r}：{spec.path} 之下没有栅格文件；请检查方案文件 [layers.{spec.name}] 下的 path："
            '分幅所在的文件夹，或 "dem/*.tif" 这样的通配名')
    strays = [path.name for path in files if not path.resolve().is_relative_to(base.resolve())]
    if strays:
        raise LayerError(
            f"layer {spec.name!r}: {strays[0]} is a link that leads outside {base}; copy the file there",
            f"图层 {spec.name!r}：{strays[0]} 是指向 {base} 之外的链接；请把文件复制到该文件夹")
    return files


def _tile(path: Path, layer: str) -> Tile:
    import rasterio
    from rasterio.enums import MaskFlags
    from rasterio.errors import RasterioError

    check_content(path, layer)
    plain = {MaskFlags.nodata, MaskFlags.all_valid}
    try:
        with rasterio.open(path) as file:
            return Tile(path=path, crs=file.crs.to_wkt() if file.crs else "", transform=file.transform,
                        crs_name=file.crs.to_string()[:60] if file.crs else "-", shape=file.shape,
                        dtypes=file.dtypes, nodata=file.nodatavals,
                        scales=tuple(zip(file.scales, file.offsets, strict=True)),
                        is_masked=tuple(not set(flags) <= plain for flags in file.mask_flag_enums))
    except RasterioError as error:
        raise LayerError(
            f"layer {layer!r}: tile {path} cannot be read as a raster ({reason_of(error)}); copy it again or take it "
            "away", f"图层 {layer!r}：分幅 {path} 无法作为栅格读取（{reason_of(error)}）；请重新复制或移走该文件",
        ) from error


def _check_alike(tiles: Sequence[Tile], layer: str) -> None:
    """Raise where a tile has another CRS, cell size or grid than most; the message names it."""
    looks = [_look(tile) for tile in tiles]
    usual = tiles[looks.index(Counter(looks).most_common(1)[0][0])]
    for tile in tiles:
        difference = _difference(tile, usual)
        if difference:
            raise LayerError(
                f"layer {layer!r}: tile {tile.path.name} {difference.en}; bring it onto the grid of the others",
                f"图层 {layer!r}：分幅 {tile.path.name} {difference.zh}，请先与其他分幅统一")


def _look(tile: Tile) -> tuple[object, ...]:
    """Return what most tiles should share: CRS, cell size, and where in a cell of it the grid begins."""
    grid = tile.transform
    return (tile.crs, f"{grid.a:.6g}", f"{grid.e:.6g}", round(grid.c / grid.a, 2) % 1, round(grid.f / grid.e, 2) % 1)


def _difference(tile: Tile, usual: Tile) -> Text | None:
    own, grid = tile.transform, usual.transform
    if tile.crs != usual.crs and not _is_same_crs(tile, usual):
        return Text(zh=f"的坐标系为 {tile.crs_name}，而 {usual.path.name} 为 {usual.crs_name}（可用 gdalwarp -t_srs）",
                    en=f"is in {tile.crs_name}, but {usual.path.name} in {usual.crs_name} (gdalwarp -t_srs)")
    if len(tile.dtypes) != len(usual.dtypes):
        return Text(zh=f"有 {len(tile.dtypes)} 个波段，而 {usual.path.name} 有 {len(usual.dtypes)} 个"
                       "（可用 gdal_translate -b）",
                    en=f"has {len(tile.dtypes)} bands, but {usual.path.name} {len(usual.dtypes)} (gdal_translate -b)")
    if own.b or own.d:
        return Text(zh="的网格有旋转（可用 gdalwarp 纠正）", en="has a rotated grid (gdalwarp straightens it)")
    drift = max(abs(own.a / grid.a - 1.0) * tile.shape[1], abs(own.e / grid.e - 1.0) * tile.shape[0])
    if drift > _SLACK_CELLS:
        return Text(zh=f"的像元为 {own.a:.9g} × {-own.e:.9g}，而 {usual.path.name} 为 {grid.a:.9g} × {-grid.e:.9g}"
                       "（可用 gdalwarp -tr）",
                    en=f"has cells of {own.a:.9g} x {-own.e:.9g}, but {usual.path.name} of {grid.a:.9g} x "
                       f"{-grid.e:.9g} (gdalwarp -tr)")
    column, row = (own.c - grid.c) / grid.a, (own.f - grid.f) / grid.e
    off = max(abs(column - round(column)), abs(row - round(row)))
    if off > _SLACK_CELLS:
        return Text(zh=f"的网格与 {usual.path.name} 错开 {off:.2f} 个像元（可用 gdalwarp -tap）",
                    en=f"lies {off:.2f} cells off the grid of {usual.path.name} (gdalwarp -tap)")
    return None


def _is_same_crs(tile: Tile, usual: Tile) -> bool:
    from gis.crs import parse_crs

    return bool(tile.crs and usual.crs) and parse_crs(tile.crs).equals(parse_crs(usual.crs), ignore_axis_order=True)


def _place(tile: Tile, grid: Affine) -> tuple[int, int]:
    """Return the column and row at which a tile begins on a grid."""
    return round((tile.transform.c - grid.c) / grid.a), round((tile.transform.f - grid.f) / grid.e)


def _add_source(cells: ET.Element, tile: Tile, band: int, place: tuple[int, int]) -> None:
    height, width = tile.shape
    source = ET.SubElement(cells, "ComplexSource")
    ET.SubElement(source, "SourceFilename", relativeToVRT="0").text = str(tile.path.absolute())
    ET.SubElement(source, "SourceBand").text = str(band + 1)
    ET.SubElement(source, "SourceProperties", RasterXSize=str(width), RasterYSize=str(height),
                  DataType=_TYPES.get(tile.dtypes[band], "Float64"))
    ET.SubElement(source, "SrcRect", xOff="0", yOff="0", xSize=str(width), ySize=str(height))
    ET.SubElement(source, "DstRect", xOff=str(place[0]), yOff=str(place[1]), xSize=str(width), ySize=str(height))
    factor, summand = tile.scales[band]
    if (factor, summand) != (1.0, 0.0):
        ET.SubElement(source, "ScaleOffset").text = repr(summand)
        ET.SubElement(source, "ScaleRatio").text = repr(factor)
    missing = tile.nodata[band]
    if tile.is_masked[band]:
        ET.SubElement(source, "UseMaskBand").text = "true"
    elif missing is not None:
        ET.SubElement(source, "NODATA").text = "nan" if np.isnan(missing) else repr(float(missing))


def _parsed(path: Path, layer: str) -> ET.Element:
    """Return the tree of a VRT that is a plain mosaic."""
    content = path.read_bytes()
    try:
        if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
            raise ET.ParseError("it declares entities")
        root = ET.fromstring(content)
    except (ET.ParseError, ValueError, LookupError) as error:
        raise LayerError(
            f"layer {layer!r}: {path} is no readable VRT ({reason_of(error)}); make it again with gdalbuildvrt",
            f"图层 {layer!r}：{path} 不是可读的 VRT（{reason_of(error)}）；请用 gdalbuildvrt 重新生成") from error
    odd = next(_oddities(root), "")
    if odd:
        raise LayerError(
            f"layer {layer!r}: {path} is more than a mosaic of files ({odd}); turn it into a file: gdal_translate "
            f"{path.name} {path.stem}.tif",
            f"图层 {layer!r}：{path} 不只是文件的拼接（{odd}）；请转换为文件："
            f"gdal_translate {path.name} {path.stem}.tif")
    return root


def _oddities(root: ET.Element) -> Iterator[str]:
    """Name what a plain mosaic does not have. GDAL does not tell upper from lower case, so neither does this."""
    kinds = {key.lower(): value for key, value in root.attrib.items()}
    if root.tag.lower() != "vrtdataset" or kinds.get("subclass", "VRTDataset") != "VRTDataset":
        yield kinds.get("subclass", root.tag)
    for element in root.iter():
        tag = element.tag.lower()
        if tag in _NOT_PLAIN:
            yield element.tag
        if tag == "vrtrasterband":
            kind = {key.lower(): value for key, value in element.attrib.items()}.get("subclass", "")
            if kind not in _BAND_KINDS:
                yield kind
            yield from (part.tag for part in element
                        if part.tag.lower().endswith("source") and part.tag.lower() not in _SOURCES)


def _member(element: ET.Element, vrt: Path, layer: str) -> Path:
    """Return the file that a source names, as one below the folder of the VRT."""
    said = (element.text or "").strip()
    is_relative = {key.lower(): value for key, value in element.attrib.items()}.get("relativetovrt", "0") == "1"
    file = vrt.parent / said if is_relative or not Path(said).is_absolute() else Path(said)
    if said.startswith("/vsi") or "://" in said or not file.resolve().is_relative_to(vrt.parent.resolve()):
        raise LayerError(
            f"layer {layer!r}: {vrt} has a member outside its own folder ({said[:120]}); move the files beside it and "
            "make it again with gdalbuildvrt, or name the tiles themselves as path",
            f"图层 {layer!r}：{vrt} 的成员在其所在文件夹之外（{said[:120]}）；请把文件移到其旁并用 gdalbuildvrt "
            "重新生成，或用 path 直接指明分幅文件")
    if not file.is_file():
        raise LayerError(
            f"layer {layer!r}: {vrt} has a member that is missing: {said[:120]}; copy that file too",
            f"图层 {layer!r}：{vrt} 缺少成员文件 {said[:120]}；请一并复制该文件")
    if file.suffix.lower() == ".vrt":
        raise LayerError(
            f"layer {layer!r}: {vrt} has another VRT as a member ({said[:120]}); make it of the files themselves",
            f"图层 {layer!r}：{vrt} 的成员 {said[:120]} 也是 VRT；请直接用数据文件重新生成")
    check_content(file, layer)
    return file
