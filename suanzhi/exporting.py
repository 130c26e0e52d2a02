"""Hands a finished study over to other systems: from the files of its folder, without running anything again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast, get_args

from gis.bilingual import Language, Text
from gis.crs import WGS84
from gis.errors import UsageError
from gis.progress import Progress, silent
from layers.exports.bundles import Bundle, StudyLayer, described
from layers.exports.files import write_text
from layers.exports.layer_files import LayerForm, write_layers
from layers.exports.layer_rows import HeldRows, Rows
from layers.exports.shapefile import Encoding
from layers.exports.targets import Target, longitude_of, placed, require_near, target_of
from siting.finished_study import FinishedStudy, read_finished
from suanzhi.export_looks import look_of
from suanzhi.export_tables import result_tables, tables_of
from suanzhi.export_titles import rank_of, title_of
from suanzhi.finished_layers import read_layer
from suanzhi.parquet_rows import ParquetRows

Format = Literal["gpkg", "shp", "fgb", "geojson", "geojsonseq", "geoparquet", "kml", "csv", "xlsx", "qgz", "postgis"]
FORMATS: tuple[Format, ...] = get_args(Format)

EXPORT_FOLDER = "export"
_SHEETS = ("parcels", "top_candidates", "edge_centres", "capacity_sites", "data_centre_decisions")
"""Layers that get a sheet of the workbook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What is to be written, and how."""

    formats: tuple[Format, ...]
    crs: str = "EPSG:4326"
    encoding: str = "utf-8"
    """Of Shapefiles."""
    dest: Path | None = None
    """Folder; None for ``export`` inside the study's."""
    database: str = ""
    """Address of a PostGIS database without its password; empty for what the environment names."""


def formats_of(text: str) -> tuple[Format, ...]:
    """Return the formats that a comma-separated list names, each once, in the order of ``FORMATS``.

    Raises
    ------
    UsageError
        One is unknown, or none is named.
    """
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word not in FORMATS]
    if unknown or not words:
        known = ", ".join(FORMATS)
        raise UsageError(f"unknown format {', '.join(map(repr, unknown)) or repr(text)}; choose from: {known}",
                         f"未知的输出格式 {'、'.join(map(repr, unknown)) or repr(text)}；可选：{known}")
    return tuple(name for name in FORMATS if name in words)


def export_study(out: Path, request: ExportRequest, *, language: Language,
                 progress: Progress = silent) -> tuple[Path | str, ...]:
    """Write a finished study in other systems' formats.

    Parameters
    ----------
    out
        Folder of the study.
    request
        What to write.
    language
        Language of values, titles and notes.
    progress
        Called as formats are finished.

    Returns
    -------
    tuple
        Files written, and where the tables of a database are.

    Raises
    ------
    DataError
        The folder holds no finished study, or a file of it was changed.
    UsageError
        The CRS or the encoding is not offered.
    ExportError
        Something cannot be written.
    """
    encoding = _encoding(request.encoding)
    _check_crs(request)
    bundle = read_bundle(read_finished(out), request.crs, language=language)
    folder = request.dest or out / EXPORT_FOLDER
    writers = _writers(bundle, folder, encoding, request)
    written: list[Path | str] = []
    step = Text(zh="转换格式", en="exporting")
    for place, name in enumerate(request.formats):
        progress(step, place, len(request.formats))
        written += [path for path in writers[name]() if path not in written]
    progress(step, len(request.formats), len(request.formats))
    if any(isinstance(path, Path) for path in written):
        written.append(write_text(folder / f"README{bundle.target.suffix}.txt", _readme(bundle)))
    return tuple(written)


def read_bundle(study: FinishedStudy, crs: str, *, language: Language) -> Bundle:
    """Read all layers and tables of a finished study, placed in a CRS.

    Parameters
    ----------
    study
        The study.
    crs
        As ``layers.exports.targets.target_of`` takes it.
    language
        Language of values and titles.
    """
    target = target_of(crs)
    layers: list[StudyLayer] = []
    for name in sorted(study.layer_names, key=rank_of):
        read = read_layer(study, name, language)
        if not layers:
            require_near(target, longitude_of(read.rows.bounds))
        layers.append(StudyLayer(
            name=name, title=title_of(name, study.manifest["study"]["candidates"]), rows=_placed(read.rows, target),
            id_column=read.id_column, titles=read.titles, terms=read.terms,
            look=look_of(study, name, read.rows, language)))
    return Bundle(name=f"{study.name}{target.suffix}", title=study.title, target=target, layers=tuple(layers),
                  tables=(*tables_of(study, target, language), *result_tables(study, language)), language=language)


def _placed(rows: Rows, target: Target) -> Rows:
    return replace(rows, target=target) if isinstance(rows, ParquetRows) else HeldRows(placed(rows.whole, target))


def _writers(bundle: Bundle, folder: Path, encoding: Encoding,
             request: ExportRequest) -> Mapping[Format, Callable[[], Sequence[Path | str]]]:
    """Return what writes each format; each loads its own library when it is called."""
    geopackage = folder / f"{bundle.name}.gpkg"

    def gpkg() -> Sequence[Path]:
        from layers.exports.geopackage import write_geopackage
        return (write_geopackage(bundle, geopackage),)

    def qgz() -> Sequence[Path]:
        from layers.exports.qgis_project import write_qgis_project
        beside = () if "gpkg" in request.formats else gpkg()
        return (*beside, write_qgis_project(bundle, folder / f"{bundle.name}.qgz", geopackage=geopackage.name))

    def shp() -> Sequence[Path]:
        from layers.exports.shapefile import write_shapefiles
        return write_shapefiles(bundle, folder / "shp", encoding=encoding)

    def files(form: LayerForm) -> Callable[[], Sequence[Path]]:
        return lambda: write_layers(bundle, folder / form, form)

    def kml() -> Sequence[Path]:
        from layers.exports.kml import write_kml
        return (write_kml(bundle, folder / f"{bundle.name}.kml"),)

    def xlsx() -> Sequence[Path]:
        from layers.exports.workbook import write_workbook
        return (write_workbook(bundle, folder / f"{bundle.name}.xlsx", layers=_SHEETS),)

    def postgis() -> Sequence[str]:
        from layers.exports.postgis import write_postgis
        return write_postgis(bundle, address=request.database)

    return {"gpkg": gpkg, "qgz": qgz, "shp": shp, "kml": kml, "xlsx": xlsx, "postgis": postgis, "fgb": files("fgb"),
            "geojson": files("geojson"), "geojsonseq": files("geojsonseq"), "geoparquet": files("geoparquet"),
            "csv": files("csv")}


def _encoding(text: str) -> Encoding:
    word = text.strip().lower().replace("utf8", "utf-8")
    if word not in get_args(Encoding):
        raise UsageError(f"unknown encoding {text!r} of Shapefiles; choose gbk or utf-8",
                         f"未知的 Shapefile 编码 {text!r}；请选择 gbk 或 utf-8")
    return cast(Encoding, word)


def _check_crs(request: ExportRequest) -> None:
    target = target_of(request.crs)
    if "geojson" in request.formats and not (target.is_gcj02 or target.key == WGS84):
        raise UsageError(
            f"GeoJSON (RFC 7946) is in WGS84 and in nothing else, not in {target.key}; export it with --crs {WGS84}, "
            "or choose gpkg, fgb or geoparquet",
            f"GeoJSON（RFC 7946）只有 WGS84 坐标，不能是 {target.key}；请用 --crs {WGS84} 输出，"
            "或改用 gpkg、fgb、geoparquet")


def _readme(bundle: Bundle) -> str:
    """Return what must be known of the files by whoever gets them."""
    lines = [bundle.heading.zh, bundle.heading.en, ""]
    if bundle.target.is_gcj02:
        lines += ["警告：坐标为 GCJ-02，不得与 WGS84 或 CGCS2000 数据叠加、量算或用于工程。",
                  "Warning: coordinates are GCJ-02; never overlay them on WGS84 or CGCS2000 data, measure or build by "
                  "them.", ""]
    lines += ["KML 与 GeoJSON 文本序列只容许经纬度：要求投影坐标时，这两种文件仍为 WGS84 经纬度。",
              "KML and GeoJSON sequences know degrees alone: where a projected CRS was asked for, they are in WGS84.",
              ""]
    for layer in bundle.layers:
        text = described(layer, bundle.target)
        lines += [f"{layer.name}  ({len(layer.rows)})", f"  {text.zh}", f"  {text.en}"]
    lines += ["", "可信度 certainty: real 实测, approximate 近似, assumed 假定, synthetic 合成。"
              "每个要素均有 certainty 字段。 Each feature has a column certainty.", ""]
    return "\n".join(lines)
