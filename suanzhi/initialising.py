"""Writes a first study file for a city: every layer explained, and what a folder of files may be, with its evidence.

What is written is a proposal. Whoever signs the study reads the evidence beside each line and keeps,
corrects or deletes it; what a comparison could not tell is left open, so that no run can start on a guess.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gis.bilingual import Language, Text
from gis.errors import ExportError, UsageError
from layers.schemas import LAYERS, LayerSchema
from layers.types import LayerSpec, Scalar
from siting.city_pack import load_pack
from siting.pack import CityPack
from siting.wording import CERTAINTY_WORDS, crs_label, word

if TYPE_CHECKING:
    from layers.scanning_types import Leftover, Proposal, ScanReport
    from suanzhi.console import Console

FILE_NAME = "study.toml"
"""Name of the file that is written."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
_SIGN = {"zh": "：", "en": ": "}

_HEAD = (
    Text(zh="算址方案文件（TOML，UTF-8）。路径以本文件所在文件夹为准。",
         en="A study of suanzhi (TOML, UTF-8). Paths count from the folder of this file."),
    Text(zh="以“依据”开头的注释说明每项建议的来由：请逐项核对后保留、修改或删除。",
         en="A comment that begins with \"evidence\" says where a proposal comes from: keep, correct or delete each."),
    Text(zh="运行前请先检查：suanzhi check study.toml；运行：suanzhi run study.toml",
         en="Check it before a run: suanzhi check study.toml; then: suanzhi run study.toml"),
)
_DATUM_HELP = (
    Text(zh="坐标基准：经纬度文件必须写明 datum，文件自称 WGS84 不足为凭。",
         en="Datum: a file in longitude and latitude needs datum; that it calls itself WGS84 proves nothing."),
    Text(zh='  datum = "wgs84"      GPS、OpenStreetMap', en='  datum = "wgs84"      GPS, OpenStreetMap'),
    Text(zh='  datum = "cgcs2000"   测绘部门、天地图', en='  datum = "cgcs2000"   survey authorities, Tianditu'),
    Text(zh='  datum = "gcj02"      高德、腾讯、DataV（偏移 300 至 700 米，读取时纠正）',
         en='  datum = "gcj02"      AMap, Tencent, DataV (300 to 700 m off, moved on reading)'),
    Text(zh='  datum = "bd09"       百度（偏移约 1 千米，读取时纠正）',
         en='  datum = "bd09"       Baidu (about 1 km off, moved on reading)'),
    Text(zh='平面坐标文件若未写坐标系：crs = "EPSG:4547" 等。',
         en='Plane coordinates without a CRS: crs = "EPSG:4547" or so.'),
)
_KEY_HELP = (
    Text(zh="常用键：path、table（文件内的表）、where（筛选）、datum、crs、encoding、constants、values、units、",
         en="Keys: path, table (inside the file), where (rows), datum, crs, encoding, constants, values, units,"),
    Text(zh="columns（本系统字段 = 文件字段）、certainty（real、approximate、assumed、synthetic）；",
         en="columns (ours = the file's), certainty (real, approximate, assumed, synthetic);"),
    Text(zh='source = "none" 表示不用该图层。', en='source = "none" leaves a layer out.'),
)


def write_study(folder: Path, city: str, scan: Path | None, console: Console) -> Path:
    """Write a commented ``study.toml`` for a city.

    Parameters
    ----------
    folder
        Where to; made if need be.
    city
        Key of a city pack.
    scan
        Folder to look through for layers; None for none.
    console
        Says the language and shows the progress.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    UsageError
        There is a study already (it is never overwritten), or no folder ``scan``.
    PackError
        No such city.
    ExportError
        The folder cannot be written.
    """
    pack = load_pack(city)
    path = folder / FILE_NAME
    if path.exists() or path.is_symlink():
        raise _exists(path)
    report = None
    if scan is not None:
        from layers.scanning import scan_folder

        report = scan_folder(scan, adcode=pack.adcode, metric_crs=pack.metric_crs, progress=console.progress)
    text = study_text(pack, city, folder, report, console.language)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # "x" refuses a file that somebody else has made in the meantime.
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        raise ExportError(f"cannot write {path}: {error.strerror}; name a folder that can be written",
                          f"无法写入 {path}：{error.strerror}；请换一个可写的文件夹") from error
    return path


def study_text(pack: CityPack, city: str, folder: Path, report: ScanReport | None, language: Language) -> str:
    """Return the text of a first study file.

    Parameters
    ----------
    pack
        Whose layers serve where the study names none.
    city
        What the study says as its city.
    folder
        Folder of the study, from which paths count.
    report
        What a folder of files holds, or None.
    language
        Of the comments.

    Returns
    -------
    str
        TOML that :func:`siting.study_file.read_study` reads.
    """
    proposals = () if report is None else report.proposals
    lines = [*_comments(_HEAD, language), "", f"city = {toml(city)}", *_settings(pack, folder, proposals, language), ""]
    lines += [*_comments((*_DATUM_HELP, *_KEY_HELP), language), ""]
    for name, schema in LAYERS.items():
        own = [one for one in proposals if one.spec.name == name]
        lines += [*_explained(schema, pack, language), *_proposed(own, schema, folder, language), ""]
    if report is not None:
        lines += list(_left_over(report.leftovers, folder, language))
    return "\n".join(lines).rstrip("\n") + "\n"


def toml(value: Scalar | Mapping[str, Scalar]) -> str:
    """Return a value as TOML on one line, whatever letters it holds.

    Parameters
    ----------
    value
        A scalar, or a table of scalars.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return f'"{"".join(_escaped(letter) for letter in value)}"'
    return "{ " + ", ".join(f"{_key(key)} = {toml(part)}" for key, part in value.items()) + " }"


def _escaped(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    code = ord(letter)
    # Half of a surrogate pair, as a file name in no encoding has it, is no letter that TOML could hold.
    if 0xD800 <= code <= 0xDFFF:
        return "\\uFFFD"
    return letter if letter.isprintable() else f"\\U{code:08X}"


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else toml(key)


def _one_line(text: str) -> str:
    """Return text that cannot end a comment, whatever it quotes."""
    return "".join(letter if letter.isprintable() else " " if letter.isspace() else "\N{REPLACEMENT CHARACTER}"
                   for letter in text)


def _comments(texts: Iterable[Text], language: Language) -> Iterator[str]:
    yield from (f"# {_one_line(text.to(language))}".rstrip() for text in texts)


def _settings(pack: CityPack, folder: Path, proposals: Iterable[Proposal], language: Language) -> Iterator[str]:
    def to(zh: str, en: str) -> str:
        return Text(zh=zh, en=en).to(language)

    yield to(f"# {pack.title.zh}，投影坐标系 {crs_label(pack.metric_crs).zh}，行政区划代码 {pack.adcode}",
             f"# {pack.title.en}, metric CRS {crs_label(pack.metric_crs).en}, code {pack.adcode}")
    if any(Path(_relative(one.spec.path, folder)).is_absolute() or _relative(one.spec.path, folder).startswith("..")
           for one in proposals):
        yield to("# 有图层位于方案文件夹之外", "# Some layers lie outside the folder of the study.")
        yield "allow_outside = true"
    yield to('# name = "..."            # 方案名称，默认取文件名',
             '# name = "..."            # the name of this file by default')
    kind = toml(pack.candidates)
    yield to(f"# candidates = {kind}  # 候选：parcels（地块图层）、grid（格网）、blocks（街区）或 districts（行政区）",
             f"# candidates = {kind}  # parcels, grid (metric cells), blocks (between streets) or districts")
    yield f"# grid_size_m = {pack.grid_size_m:g}"
    classes = ", ".join(toml(key) for key in pack.default_classes)
    yield to(f"# classes = [{classes}]  # 参评类别", f"# classes = [{classes}]  # classes to score")
    yield "# n_top = 20"


def _explained(schema: LayerSchema, pack: CityPack, language: Language) -> Iterator[str]:
    """Say what a layer is for, which columns it takes, and what serves it now."""
    def to(zh: str, en: str) -> str:
        return Text(zh=zh, en=en).to(language)

    need = to("必需", "required") if schema.is_required else to("可选", "optional")
    yield f"# ---- {schema.name} · {schema.title.to(language)} · {need} · {schema.purpose.to(language)}"
    if schema.frame is None:
        yield to(f"# 栅格，单位 {schema.unit}", f"# raster, unit {schema.unit}")
    else:
        kinds = " / ".join(schema.frame.geometries)
        yield to(f"# 几何：{kinds}；字段：", f"# geometry: {kinds}; columns:")
        for field in schema.frame.fields:
            unit = f" [{field.unit}]" if field.unit else ""
            needed = to("（必需）", " (required)") if field.is_required else ""
            words = f" {{{', '.join(field.values)}}}" if field.values else ""
            yield f"#   {field.name}{unit} {field.title.to(language)}{needed}{words}"
    served = [spec for spec in pack.layer_specs if spec.name == schema.name]
    for spec in served:
        parts = [spec.source, word(CERTAINTY_WORDS, spec.certainty, language), spec.attribution, spec.vintage]
        yield to("# 未写明时采用：", "# by default: ") + _one_line(" · ".join(part for part in parts if part))
    if not served:
        yield to("# 未写明时：无数据，相关规则列为未核查", "# by default: no data, and its rules count as not tested")


def _proposed(own: list[Proposal], schema: LayerSchema, folder: Path, language: Language) -> Iterator[str]:
    for one in own:
        percent = f"{one.score:.0%}"
        yield "# " + Text(zh=f"建议（吻合度 {percent}{'' if one.is_active else '，不足以直接采用'}）：",
                          en=f"proposal (fit {percent}{'' if one.is_active else ', too low to be used as it is'}):",
                          ).to(language)
        label = Text(zh="依据", en="evidence").to(language) + _SIGN[language]
        yield from (f"# {label}{_one_line(text.to(language))}" for text in one.evidence)
        label = Text(zh="待定", en="to decide").to(language) + _SIGN[language]
        yield from (f"# {label}{_one_line(text.to(language))}" for text in one.hints)
        head = f"[layers.{schema.name}]" if schema.is_raster else f"[[layers.{schema.name}]]"
        mark = "" if one.is_active else "# "
        yield from (f"{mark}{line}" for line in (head, *_spec_lines(one.spec, folder)))
        if one.spec.datum is None and any("datum" in hint.en for hint in one.hints):
            yield '# datum = "..."  # wgs84 / cgcs2000 / gcj02 / bd09'


def _spec_lines(spec: LayerSpec, folder: Path) -> Iterator[str]:
    yield f"path = {toml(_relative(spec.path, folder))}"
    texts = {"table": spec.table, "datum": spec.datum, "crs": spec.crs, "encoding": spec.encoding}
    for key, value in texts.items():
        if value:
            yield f"{key} = {toml(value)}"
    for key, pairs in (("columns", spec.columns), ("constants", spec.constants), ("units", spec.units)):
        if pairs:
            yield f"{key} = {toml(dict(pairs))}"
    if spec.certainty != "real":
        yield f"certainty = {toml(spec.certainty)}"


def _relative(path: str, folder: Path) -> str:
    """Return a path from the folder of the study, with slashes; as it is where there is no way from there."""
    try:
        return Path(os.path.relpath(Path(path).resolve(), folder.resolve())).as_posix()
    except ValueError:
        return Path(path).resolve().as_posix()


def _left_over(leftovers: Iterable[Leftover], folder: Path, language: Language) -> Iterator[str]:
    left = list(leftovers)
    yield "# ---- " + Text(zh=f"未采用的文件（{len(left)}）", en=f"files that are not used ({len(left)})").to(language)
    for one in left:
        table = f" [{one.place.table}]" if one.place.table else ""
        yield "#   " + _one_line(f"{_relative(str(one.place.path), folder)}{table}{_SIGN[language]}"
                                 f"{one.reason.to(language)}")


def _exists(path: Path) -> UsageError:
    return UsageError(f"{path} is there already and is not overwritten; rename it, or name another folder",
                      f"{path} 已存在，不会覆盖；请先改名，或另选文件夹")
