"""``suanzhi check``: what a run would make of its study and its layers, as lines or as JSON, before it is run."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd

from gis.bilingual import Language, Text
from gis.crs import to_wgs84_frame
from gis.errors import SitingToolError
from layers.checking import (
    CheckReport,
    FindDatum,
    Finding,
    LayerCheck,
    Problem,
    SourceCheck,
    check_layers,
    problem_of,
)
from layers.loading import Reading
from layers.schemas import LAYERS
from layers.types import LayerSpec, Remark
from siting.city_pack import load_pack
from siting.pack import CityPack
from siting.study import applied, layer_specs
from siting.types import Study
from siting.wording import CERTAINTY_WORDS, crs_label, datum_word, word
from suanzhi.console import Console
from suanzhi.running import find_study

FORMAT = 1
"""Version of the form of the JSON report."""

_STATES = {"ready": Text(zh="可用", en="ready"), "failed": Text(zh="不可用", en="failed"),
           "waiting": Text(zh="待行政区", en="waits")}
_ACTIONS = {"repaired": Text(zh="修复", en="repaired"), "rejected": Text(zh="剔除", en="rejected"),
            "noted": Text(zh="注意", en="noted")}
_HEADINGS = (Text(zh="图层", en="layer"), Text(zh="来源", en="source"), Text(zh="状态", en="state"),
             Text(zh="读入", en="read"), Text(zh="原样", en="as is"), Text(zh="修复", en="repaired"),
             Text(zh="剔除", en="rejected"), Text(zh="注意", en="noted"), Text(zh="范围内", en="inside"),
             Text(zh="范围外", en="outside"), Text(zh="覆盖", en="extent"), Text(zh="可信度", en="certainty"))
_N_WORDS = 3  # columns of the table that hold words; the numbers after them stand to the right
_SPECIFIC = re.compile(r"\([^()]*\)|'[^']*'|#?[-+]?\d[\d.e+-]*|~\d+")


def check_study(name: str, console: Console) -> CheckReport:
    """Check a study or a city on its embedded default.

    Parameters
    ----------
    name
        A city, or a study file.
    console
        Told of the progress.

    Returns
    -------
    CheckReport
        Everything that is wrong with the study and its layers; a study file that cannot be read is
        the one problem of its report.
    """
    try:
        study = find_study(name, None)
        pack = load_pack(study.city)
    except SitingToolError as error:
        return CheckReport(name=name, problems=(problem_of(error),))
    known: dict[str, gpd.GeoDataFrame] = {}
    report = check_layers(layer_specs(pack, study), metric_crs=pack.metric_crs, n_parcels=study.n_parcels,
                          seed=study.seed, progress=console.progress, find_datum=_finder(pack, known),
                          on_reading=lambda reading: _remember(reading, known))
    found = (*_wishes(pack, study), *report.problems)
    # A grid or blocks are candidates themselves: parcels are not what such a study lacks.
    layers = tuple(layer for layer in report.layers
                   if layer.name != "parcels" or layer.sources or study.candidates == "parcels")
    report = replace(report, name=study.name, layers=layers, problems=found)
    return replace(report, problems=(*found, *_lacks(report, pack, study)))


def _remember(reading: Reading, known: dict[str, gpd.GeoDataFrame]) -> None:
    """Keep what lies on the real ground: only that can tell the datum of another layer."""
    if isinstance(reading.content, gpd.GeoDataFrame) and reading.provenance.certainty in ("real", "approximate"):
        known[reading.spec.name] = reading.content


def _finder(pack: CityPack, known: Mapping[str, gpd.GeoDataFrame]) -> FindDatum:
    def find(spec: LayerSpec, degrees: gpd.GeoDataFrame) -> Finding | None:
        from layers.datum_finding import DatumFinder

        references = {name: to_wgs84_frame(frame) for name, frame in known.items()}
        return DatumFinder(pack.adcode, references)(spec, degrees)

    return find


def _wishes(pack: CityPack, study: Study) -> tuple[Problem, ...]:
    """Try the classes, mitigations and weights of a study one by one, so that each wrong one is told."""
    bare = replace(study, classes=(), weights=(), mitigations=())
    parts = [replace(bare, classes=(class_id,)) for class_id in study.classes]
    parts += [replace(bare, mitigations=(mitigation,)) for mitigation in study.mitigations]
    parts += [replace(bare, weights=tuple(w for w in study.weights if w[0] == class_id))
              for class_id in dict.fromkeys(w[0] for w in study.weights)]
    found: list[Problem] = []
    for part in parts:
        try:
            applied(pack, part)
        except SitingToolError as error:
            found.append(problem_of(error))
    return tuple(found)


def _lacks(report: CheckReport, pack: CityPack, study: Study) -> tuple[Problem, ...]:
    """Name the layers that the study's own wishes need and that are empty or not there."""
    needs = ["parcels"] if study.candidates == "parcels" else []
    if study.n_facilities and pack.edge is not None:
        needs += ["substations", "demand"]
    found = [_lack(name) for name in needs if not report.layer(name).n_used and not _is_told(report.layer(name))]
    hosts = [report.layer(kind.layer) for kind in pack.host_kinds] if study.n_facilities else []
    if hosts and not any(host.n_used or _is_told(host) for host in hosts):
        names = [host.name for host in hosts]
        found.append(Problem(exit_code=3, text=Text(
            zh=f"布设边缘数据中心需要以下任一图层有数据：{'、'.join(names)}",
            en=f"edge centres need rows in one of the layers {', '.join(names)}")))
    return tuple(found)


def _lack(name: str) -> Problem:
    schema = LAYERS[name]
    return Problem(layer=name, exit_code=3, text=Text(
        zh=f"本方案需要图层 {name}（{schema.purpose.zh}），但没有可用的数据；请在 [layers.{name}] 中写明来源",
        en=f"the study needs the layer {name} ({schema.purpose.en}), which has no rows; name a source under "
           f"[layers.{name}]"))


def _is_told(layer: LayerCheck) -> bool:
    """Tell whether the report says already why the layer has no rows."""
    return bool(layer.all_problems) or any(source.state == "waiting" for source in layer.sources)


def lines(report: CheckReport, language: Language) -> Iterator[str]:
    """Yield the report as lines for a planner: verdict, table, remarks by layer, layers not given, what to mend."""
    def to(zh: str, en: str) -> str:
        return Text(zh=zh, en=en).to(language)

    n = len(report.all_problems)
    yield _printable(f"{report.name}  {crs_label(report.metric_crs).to(language)}  " + (
        to("可以运行", "can run") if report.can_run else to(f"不能运行：{n} 处须改正", f"cannot run: {n} to mend")))
    given = [layer for layer in report.layers if layer.sources]
    if given:
        yield ""
        yield from _table([tuple(h.to(language) for h in _HEADINGS),
                           *(row for layer in given for row in _rows(layer, language))])
    details = [line for layer in given for line in _details(layer, language)]
    if details:
        yield from ("", to("各图层说明", "Layer by layer"), *map(_printable, details))
    absent = [layer.schema for layer in report.layers if not layer.sources and not layer.problems]
    if absent:
        yield from ("", to("未提供的图层（缺少它，本次运行没有）", "Layers not given (and what the run lacks)"))
        yield from _table([(f"  {s.name}", s.title.to(language), s.purpose.to(language)) for s in absent], n_words=3)
    if n:
        yield from ("", to("须改正", "To mend"))
        yield from (_printable(f"  {i}. {p.text.to(language)}") for i, p in enumerate(report.all_problems, start=1))


def record(report: CheckReport) -> dict[str, Any]:
    """Return the report as JSON values; the keys are described in ``docs/check.md`` and stay."""
    return {
        "format": FORMAT, "name": report.name, "metric_crs": report.metric_crs, "can_run": report.can_run,
        "exit_code": report.exit_code, "problems": [_problem(p) for p in report.all_problems],
        "layers": [{
            "layer": layer.name, "title": _text(layer.schema.title), "purpose": _text(layer.schema.purpose),
            "required": layer.schema.is_required, "given": bool(layer.sources),
            "sources": [_source(layer, source) for source in layer.sources],
        } for layer in report.layers],
    }


def _source(layer: LayerCheck, source: SourceCheck) -> dict[str, Any]:
    ledger = source.ledger
    rows = None if ledger is None else {"read": ledger.read, "accepted": ledger.accepted, "repaired": ledger.repaired,
                                        "rejected": ledger.rejected, "noted": len(ledger.notes)}
    titles = {f.name: f.title for f in layer.schema.frame.fields} if layer.schema.frame else {}
    return {
        "source": source.source, "file": Path(source.file).name, "state": source.state, "certainty": source.certainty,
        "rows": rows, "inside": source.n_inside, "outside": source.n_outside,
        "extent_share": None if source.area_share is None else round(source.area_share, 4),
        "datum": source.datum, "crs": source.crs,
        "missing_fields": [{"field": name, "title": _text(titles[name])} for name in source.missing_fields],
        "remarks": [{"action": action, "rows": count, "reason": _text(first.reason), "feature_id": first.feature_id}
                    for action, first, count in _kinds(source)],
        "problems": [_problem(p) for p in source.problems],
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {"layer": problem.layer, "exit_code": problem.exit_code, "text": _text(problem.text)}


def _text(text: Text) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}


def _rows(layer: LayerCheck, language: Language) -> Iterator[tuple[str, ...]]:
    """Yield the cells of the table, one row per source."""
    for source in layer.sources:
        ledger = source.ledger
        counts = (None,) * 5 if ledger is None else (ledger.read, ledger.accepted, ledger.repaired, ledger.rejected,
                                                     len(ledger.notes))
        share = "-" if source.area_share is None else f"{source.area_share:.0%}"
        yield (f"{layer.name} {layer.schema.title.to(language)}", source.source, _STATES[source.state].to(language),
               *("-" if n is None else str(n) for n in (*counts, source.n_inside, source.n_outside)), share,
               word(CERTAINTY_WORDS, source.certainty, language))


def _details(layer: LayerCheck, language: Language) -> Iterator[str]:
    """Yield what the table has no room for: file, datum, empty columns, remarks by kind."""
    def to(zh: str, en: str) -> str:
        return Text(zh=zh, en=en).to(language)

    titles = {f.name: f.title.to(language) for f in layer.schema.frame.fields} if layer.schema.frame else {}
    for source in layer.sources:
        parts = [Path(source.file).name or source.source, datum_word(source.datum, language), source.crs]
        yield f"  {layer.name}: " + " · ".join(part for part in parts if part)
        if source.missing_fields:
            named = ", ".join(f"{name} ({titles[name]})" for name in source.missing_fields)
            yield "    " + to("无数据的字段：", "columns without data: ") + named
        for action, first, count in _kinds(source):
            more = to(f" 等 {count} 行", f" and {count - 1} more") if count > 1 else ""
            yield f"    {_ACTIONS[action].to(language)} {first.feature_id}{more}" + to("：", ": ") + first.reason.to(
                language)


def _kinds(source: SourceCheck) -> list[tuple[str, Remark, int]]:
    """Sum up the remarks: per action and reason (whatever its numbers and names) the first row, and how many."""
    if source.ledger is None:
        return []
    kinds: dict[tuple[str, str], tuple[Remark, int]] = {}
    for remark in (*source.ledger.remarks, *source.ledger.notes):
        key = (remark.action, _SPECIFIC.sub("", remark.reason.en))
        first, count = kinds.get(key, (remark, 0))
        kinds[key] = (first, count + 1)
    return [(action, first, count) for (action, _), (first, count) in kinds.items()]


def _table(rows: Sequence[tuple[str, ...]], n_words: int = _N_WORDS) -> Iterator[str]:
    """Yield rows as aligned lines; a Chinese character takes two places."""
    clean = [tuple(_printable(cell) for cell in row) for row in rows]
    widths = [max(_width(cell) for cell in column) for column in zip(*clean, strict=True)]
    for row in clean:
        cells = []
        for i, (cell, width) in enumerate(zip(row, widths, strict=True)):
            blank = " " * (width - _width(cell))
            cells.append(cell + blank if i < n_words or i == len(row) - 1 else blank + cell)
        yield "  ".join(cells).rstrip()


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _printable(text: str) -> str:
    """Return text without what could move the cursor or colour the terminal: ids and values are foreign."""
    return "".join(c if c.isprintable() else "?" for c in text)
