"""Writes a finished study: the map, layers, tables, the report, and a manifest over all of them.

Every file is first written whole into a folder of its own inside the output folder, and put in its place only
when all are there; the manifest comes last. A run that is cut short leaves the older study as it was.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from gis.bilingual import Language, Text
from gis.errors import ExportError
from gis.progress import Progress, silent
from layers.exports.files import write_text
from layers.exports.geojson import write_geojson
from layers.exports.geoparquet import require_pyarrow
from layers.exports.tables import write_csv
from maps.exported_layer import ExportedLayer
from maps.exported_layers import exported_layers, is_large, terms_of
from maps.field_names import chinese_names, chinese_values
from maps.folium_map import render_map
from maps.ledger import LEDGER_FILE, write_ledger
from maps.manifest import build_manifest
from maps.parcel_files import LARGE_LAYER_FILE, n_candidates, write_parcels
from maps.plan_layers import plan_layers, plan_tables
from maps.report import render_report
from siting.explanation import LARGE_PARCELS_FILE, MANIFEST_FILE
from siting.tables import top_candidates
from siting.trust_tables import trust_tables
from siting.types import StudyResult

MAP_FILE = "map.html"
REPORT_FILE = "report.html"
_DRAFT_PREFIX = ".draft-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Where the files of a finished study are."""

    out_dir: Path
    map_path: Path
    report_path: Path
    manifest_path: Path
    layer_paths: tuple[Path, ...]
    """GeoJSON files, each layer with English and with Chinese names; the parcels of a large study as GeoParquet."""
    table_paths: tuple[Path, ...]
    """CSV files; the parcels of a large study as Parquet."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file, the map first."""
        return (self.map_path, self.report_path, *self.table_paths, *self.layer_paths, self.manifest_path)


def check_writable(out_dir: Path | str) -> Path:
    """Make the output folder and try it out, before the long work.

    Raises
    ------
    ExportError
        The folder cannot be made or written.
    """
    folder = Path(out_dir)
    with _foreign_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=_DRAFT_PREFIX):
            pass
    return folder


def check_exportable(n_candidates: int) -> None:
    """Make sure, before the long work, that outputs of so many candidates can be written.

    Raises
    ------
    ExportError
        They are more than GeoJSON is written for, and pyarrow is not installed.
    """
    if is_large(n_candidates):
        require_pyarrow(Text(zh=f"{n_candidates} 个候选地块", en=f"{n_candidates} candidates"))


def write_outputs(result: StudyResult, out_dir: Path | str, *, language: Language = "zh",
                  progress: Progress = silent, parts: Iterable[StudyResult] | None = None) -> Written:
    """Write a finished study.

    Parameters
    ----------
    result
        The study.
    out_dir
        Folder to write to; files of an older study in it are replaced, those that this one does not write are
        removed, and files of others are left alone.
    language
        Language of the map, the report and the titles in tables.
    progress
        Called as files are finished.
    parts
        All candidates part by part, where ``result`` holds only the best of them (see ``write_parcels``).

    Raises
    ------
    ExportError
        The folder or a file cannot be written.
    """
    folder = check_writable(out_dir)
    check_exportable(n_candidates(result))
    pages = {MAP_FILE: render_map(result, language=language, progress=progress),
             REPORT_FILE: render_report(result, language=language)}
    with _foreign_errors(folder):
        _remove_drafts(folder)
        draft = Path(tempfile.mkdtemp(dir=folder, prefix=_DRAFT_PREFIX))
        try:
            names = _write_all(result, pages, draft, language, progress, parts)
            manifest = build_manifest(result, {name: _sha256(draft / name) for name in names})
            written = json.dumps(manifest, ensure_ascii=False, indent=1, allow_nan=False)
            write_text(draft / MANIFEST_FILE, written + "\n")
            stale = _older_files(folder) - set(names)
            _put_in_place(draft, folder, [*names, MANIFEST_FILE])
            _remove_stale(folder, stale)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return _written(folder, names)


def write_plans(result: StudyResult, out_dir: Path | str, part: str, *, language: Language = "zh") -> tuple[Path, ...]:
    """Write the layers and tables of the plans alone, and a list of them with their hashes.

    Parameters
    ----------
    result
        A study that holds the plans wanted; its scores, map and report are not written.
    out_dir
        Folder to write to; other files in it are left alone.
    part
        Names the list (``edge.json``).
    language
        Language of the titles in tables.

    Raises
    ------
    ExportError
        The folder or a file cannot be written.
    """
    folder = check_writable(out_dir)
    with _foreign_errors(folder):
        draft = Path(tempfile.mkdtemp(dir=folder, prefix=_DRAFT_PREFIX))
        try:
            names = _write_tables(result, plan_tables(result, language), draft)
            for language_of, suffix in (("en", ""), ("zh", "_zh")):
                names += [_write_layer(result, layer, draft, f"layers/{layer.name}{suffix}.geojson",
                                       is_chinese=language_of == "zh")
                          for layer in plan_layers(result, "zh" if language_of == "zh" else "en")]
            listed = {"product": "suanzhi", "city": result.study.city, "pack_sha256": result.pack.sha256,
                      "study_sha256": result.study.sha256, "files": {name: _sha256(draft / name) for name in names}}
            write_text(draft / f"{part}.json", json.dumps(listed, ensure_ascii=False, indent=1) + "\n")
            _put_in_place(draft, folder, [*names, f"{part}.json"])
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return tuple(folder / name for name in (*names, f"{part}.json"))


def _write_all(result: StudyResult, pages: Mapping[str, str], draft: Path, language: Language,
               progress: Progress, parts: Iterable[StudyResult] | None) -> list[str]:
    """Write every file but the manifest; return their paths inside the folder, in the order written."""
    layers = exported_layers(result, language="en")
    translated = exported_layers(result, language="zh")
    step = Text(zh="写出成果", en="writing outputs")
    n_parcel_files = 3 if is_large(n_candidates(result)) else 4
    trusted = {} if result.trust is None else trust_tables(result.trust)
    tables = {"top_candidates.csv": top_candidates(result, language=language), **plan_tables(result, language),
              **trusted}
    total = len(pages) + n_parcel_files + 2 * len(tables) + 1 + 2 * len(layers)
    names: list[str] = []

    def done(*written: str) -> None:
        names.extend(written)
        progress(step, len(names), total)

    for name, page in pages.items():
        write_text(draft / name, page)
        done(name)
    done(*write_parcels(result, draft, language=language, parts=parts))
    done(*_write_tables(result, tables, draft))
    write_ledger(result.city_layers, draft / LEDGER_FILE)
    done(LEDGER_FILE)
    for layer in layers:
        done(_write_layer(result, layer, draft, f"layers/{layer.name}.geojson", is_chinese=False))
    for layer in translated:
        done(_write_layer(result, layer, draft, f"layers/{layer.name}_zh.geojson", is_chinese=True))
    return names


def _write_layer(result: StudyResult, layer: ExportedLayer, draft: Path, name: str, *, is_chinese: bool) -> str:
    columns = [str(c) for c in layer.frame.columns if c != "geometry"]
    titles = chinese_names(columns, result) if is_chinese else {c: c for c in columns}
    frame = chinese_values(layer.frame, result) if is_chinese else layer.frame
    write_geojson(frame, draft / name, id_column=layer.id_column,
                  fields=[(c, titles[c]) for c in columns],
                  members={"name": layer.name, "provenance": terms_of(result, layer.inputs)})
    return name


def _write_tables(result: StudyResult, tables: Mapping[str, pd.DataFrame], draft: Path) -> list[str]:
    names: list[str] = []
    for name, table in tables.items():
        write_csv(table, draft / name)
        columns = [str(c) for c in table.columns if c != "geometry"]
        named = chinese_names(columns, result)
        chinese = name.replace(".csv", "_zh.csv")
        write_csv(chinese_values(table, result), draft / chinese, columns=[(c, named[c]) for c in columns])
        names += [name, chinese]
    return names


def _put_in_place(draft: Path, folder: Path, names: list[str]) -> None:
    """Move finished files over the old ones; each move is atomic, the manifest is the last."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (draft / name).replace(folder / name)


def _older_files(folder: Path) -> set[str]:
    """Return what an older study in the folder says that it wrote."""
    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        files = manifest["files"] if manifest.get("product") == "suanzhi" else {}
        return {str(name) for name in files}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()


def _remove_stale(folder: Path, names: set[str]) -> None:
    for name in sorted(names):
        path = PurePosixPath(name)
        # A manifest is a file like any other: it must not be able to name files outside its folder.
        if path.is_absolute() or ".." in path.parts or not (folder / path).resolve().is_relative_to(folder.resolve()):
            continue
        (folder / path).unlink(missing_ok=True)


def _remove_drafts(folder: Path) -> None:
    """Remove what a run that was cut short left behind."""
    for left in folder.glob(f"{_DRAFT_PREFIX}*"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _foreign_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ExportError(
            f"cannot write to {folder}: {reason}; close its files in other programs or choose another folder",
            f"无法写入 {folder}：{reason}；请关闭占用其中文件的程序，或换一个输出目录",
        ) from error


def _written(folder: Path, names: list[str]) -> Written:
    return Written(
        out_dir=folder, map_path=folder / MAP_FILE, report_path=folder / REPORT_FILE,
        manifest_path=folder / MANIFEST_FILE,
        layer_paths=tuple(folder / n for n in names if n.endswith(".geojson") or n == LARGE_LAYER_FILE),
        table_paths=tuple(folder / n for n in names if n.endswith(".csv") or n == LARGE_PARCELS_FILE),
    )
