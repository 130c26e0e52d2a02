"""What a run would make of its layers: everything is read, nothing computed, and no error ends the reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import geopandas as gpd
import numpy as np

from gis.bilingual import Text
from gis.crs import require_metric
from gis.errors import DatumError, SitingToolError
from gis.progress import Progress, silent
from gis.rasters import Bounds
from layers.admission import problems
from layers.loading import STEP, Grouped, Reading, area_bounds, group_specs, read_source, take_in, with_layer
from layers.placement import undeclared_degrees
from layers.schemas import LAYERS, LayerSchema
from layers.sources.types import LoadContext, RawRaster, RawVector
from layers.types import Certainty, LayerSpec, Ledger

State = Literal["ready", "failed", "waiting"]
"""A source that can be used, one that cannot, and one that is made inside a study area which is not known."""

_NEEDS_AREA = ("demo",)


class Finding(Protocol):
    """What somebody found out about the datum of a layer."""

    @property
    def text(self) -> Text:
        """The finding in one phrase ("likely gcj02: residual 6 m against 540 m for wgs84")."""


FindDatum = Callable[[LayerSpec, gpd.GeoDataFrame], Finding | None]
"""Looks at a layer in degrees whose datum nobody declared. What it finds is shown and never applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to mend before a run."""

    text: Text
    """One sentence: what is wrong, where, the remedy."""

    exit_code: int
    """Exit code of the run that stops at it."""

    layer: str = ""
    """Layer concerned; empty for the study itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCheck:
    """What one source of a layer turned out to be. What could not be found out is None."""

    source: str
    """Reader."""

    file: str
    """Path of the file; empty where there is none."""

    certainty: Certainty
    """How far it may be trusted."""

    state: State
    """Whether a run could use it."""

    ledger: Ledger | None = None
    """Account of its rows."""

    n_inside: int | None = None
    """Rows in use that meet the study area."""

    n_outside: int | None = None
    """Rows wholly outside of it."""

    area_share: float | None = None
    """Share of the study area's bounding box that the bounding box of the source covers, 0 to 1."""

    datum: str = ""
    """Datum it came in, and how that is known."""

    crs: str = ""
    """CRS it came in."""

    missing_fields: tuple[str, ...] = ()
    """Columns of the layer that the source has not, or has empty in every row."""

    problems: tuple[Problem, ...] = ()
    """What keeps a run from using it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCheck:
    """What a layer turned out to be."""

    name: str
    """Key in ``layers.schemas.LAYERS``."""

    sources: tuple[SourceCheck, ...] = ()
    """One per source; none where nobody gives the layer."""

    problems: tuple[Problem, ...] = ()
    """What is wrong with the layer as a whole."""

    @property
    def schema(self) -> LayerSchema:
        """What the layer is for."""
        return LAYERS[self.name]

    @property
    def n_used(self) -> int:
        """Rows (or rasters) that a run could use."""
        return sum(s.ledger.accepted + s.ledger.repaired for s in self.sources if s.ledger is not None)

    @property
    def all_problems(self) -> tuple[Problem, ...]:
        """Problems of the layer and of its sources."""
        return (*self.problems, *(problem for source in self.sources for problem in source.problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a run would make of its layers."""

    name: str = ""
    """What was checked: name of the study."""

    metric_crs: str = ""
    """CRS of the run."""

    layers: tuple[LayerCheck, ...] = ()
    """Every layer that the product knows, in reading order."""

    problems: tuple[Problem, ...] = ()
    """What is wrong with the study itself."""

    @property
    def all_problems(self) -> tuple[Problem, ...]:
        """Everything to mend: the study first, then layer by layer."""
        return (*self.problems, *(problem for layer in self.layers for problem in layer.all_problems))

    @property
    def can_run(self) -> bool:
        """Tell whether a run could start."""
        return not self.all_problems

    @property
    def exit_code(self) -> int:
        """Return 0, or the exit code of the first problem."""
        return next((problem.exit_code for problem in self.all_problems), 0)

    def layer(self, name: str) -> LayerCheck:
        """Return the check of one layer; empty where nothing was read."""
        return next((layer for layer in self.layers if layer.name == name), LayerCheck(name=name))


def problem_of(error: SitingToolError, layer: str = "") -> Problem:
    """Return an error as a line of the report."""
    return Problem(text=error.text, exit_code=error.exit_code, layer=layer)


def check_layers(specs: Sequence[LayerSpec], *, metric_crs: str, n_parcels: int = 4000, seed: int = 20260101,
                 progress: Progress = silent, find_datum: FindDatum | None = None,
                 on_reading: Callable[[Reading], None] | None = None) -> CheckReport:
    """Read every layer as :func:`layers.loading.load_layers` does, and report instead of stopping.

    Where districts cannot be used, the other layers are read without the test against the study area,
    and those that are made inside it wait.

    Parameters
    ----------
    specs, metric_crs, n_parcels, seed, progress
        As for ``load_layers``.
    find_datum
        Asked about each layer in degrees without a declared datum; its finding joins the complaint.
    on_reading
        Handed each source that a run could use, before the next one is read.

    Returns
    -------
    CheckReport
        All layers that the product knows, given or not.
    """
    try:
        require_metric(metric_crs)
    except SitingToolError as error:
        return CheckReport(metric_crs=metric_crs, problems=(problem_of(error),))
    grouped = group_specs(specs)
    context = LoadContext(metric_crs=metric_crs, frames={}, n_parcels=n_parcels, seed=seed)
    checks: dict[str, LayerCheck] = {}
    done, total = 0, sum(len(group) for group in grouped.groups.values())
    for name, group in grouped.groups.items():
        sources: list[SourceCheck] = []
        readings: list[Reading] = []
        for spec in group:
            progress(STEP, done, total)
            source, reading = _checked(spec, context, readings, find_datum)
            sources.append(source)
            done += 1
            if reading is not None:
                readings.append(reading)
                if on_reading is not None:
                    on_reading(reading)
        context, found = _with_layer(context, name, readings, is_whole=len(readings) == len(group))
        checks[name] = LayerCheck(name=name, sources=tuple(sources), problems=found)
    progress(STEP, total, total)
    return CheckReport(metric_crs=metric_crs, layers=_every_layer(grouped, checks),
                       problems=tuple(problem_of(e, name) for name, e in grouped.problems if name not in LAYERS))


def _every_layer(grouped: Grouped, checks: dict[str, LayerCheck]) -> tuple[LayerCheck, ...]:
    """Return a check for each layer that the product knows, with what is wrong with its specs."""
    complaints = {name: tuple(problem_of(e, n) for n, e in grouped.problems if n == name) for name in LAYERS}
    found = (checks.get(name, LayerCheck(name=name)) for name in LAYERS)
    return tuple(replace(check, problems=(*complaints[check.name], *check.problems)) for check in found)


def _with_layer(context: LoadContext, name: str, readings: Sequence[Reading], *,
                is_whole: bool) -> tuple[LoadContext, tuple[Problem, ...]]:
    """Return the context with a layer; half of the districts, or zones alone, make no study area."""
    if (name == "districts" and not is_whole) or (name == "zones" and context.area_of_interest is None):
        return context, ()
    try:
        return with_layer(context, name, readings), ()
    except SitingToolError as error:
        return context, (problem_of(error, name),)


def _checked(spec: LayerSpec, context: LoadContext, earlier: Sequence[Reading],
             find_datum: FindDatum | None) -> tuple[SourceCheck, Reading | None]:
    """Read one source; the reading is None where a run could not use it."""
    blank = SourceCheck(source=spec.source, file=spec.path, certainty=spec.certainty, state="failed")
    if spec.source in _NEEDS_AREA and context.area_of_interest is None:
        return replace(blank, state="waiting"), None
    try:
        raw = read_source(spec, context)
    except SitingToolError as error:
        return replace(blank, problems=(problem_of(error, spec.name),)), None
    blank = replace(blank, file=raw.path or spec.path, certainty=raw.certainty or spec.certainty)
    try:
        reading = take_in(spec, raw, context, earlier)
    except SitingToolError as error:
        return replace(blank, problems=_problems(spec, raw, context, error, find_datum)), None
    return _ready(blank, reading, context), reading


def _problems(spec: LayerSpec, raw: RawVector | RawRaster, context: LoadContext, first: SitingToolError,
              find_datum: FindDatum | None) -> tuple[Problem, ...]:
    """Return everything that is wrong with a source, with what can be found out about its datum."""
    if isinstance(raw, RawRaster):
        return (problem_of(first, spec.name),)
    errors = problems(raw, spec, LAYERS[spec.name], context, area=area_bounds(context)) or (first,)
    found = [problem_of(error, spec.name) for error in errors]
    for row, error in enumerate(errors):
        finding = _finding(spec, raw, find_datum) if isinstance(error, DatumError) else None
        if finding is not None:
            found[row] = replace(found[row], text=Text(zh=f"{error.text.zh}；{finding.text.zh}",
                                                       en=f"{error.text.en}; {finding.text.en}"))
    return tuple(found)


def _finding(spec: LayerSpec, raw: RawVector, find_datum: FindDatum | None) -> Finding | None:
    if find_datum is None:
        return None
    try:
        degrees = undeclared_degrees(raw.frame, spec, raw.datum)
        return None if degrees is None or degrees.empty else find_datum(spec, degrees)
    except SitingToolError:
        # The complaint about the datum stands; a finding is only a help.
        return None


def _ready(blank: SourceCheck, reading: Reading, context: LoadContext) -> SourceCheck:
    """Describe a source that a run could use."""
    record, content = reading.provenance, reading.content
    described = replace(blank, state="ready", ledger=record.ledger, certainty=record.certainty, datum=record.datum,
                        crs=record.crs)
    area = context.area_of_interest
    if isinstance(content, RawRaster):
        share = None if area is None else _share(content.raster.bounds, area.bounds)
        return replace(described, area_share=share)
    described = replace(described, missing_fields=_missing_fields(content, LAYERS[reading.spec.name]))
    if area is None:
        return described
    n_outside_used = 0 if reading.spec.name == "parcels" else record.n_outside
    west, south, east, north = (float(edge) for edge in content.total_bounds)
    return replace(described, n_outside=record.n_outside, n_inside=len(content) - n_outside_used,
                   area_share=_share((west, south, east, north), area.bounds) if len(content) else 0.0)


def _missing_fields(frame: gpd.GeoDataFrame, schema: LayerSchema) -> tuple[str, ...]:
    fields = schema.frame.fields if schema.frame else ()
    return tuple(field.name for field in fields
                 if field.name != schema.id_column and bool(frame[field.name].isna().all()))


def _share(bounds: Bounds, area: Bounds) -> float:
    """Return how much of ``area`` a rectangle covers, 0 to 1."""
    width_m = min(bounds[2], area[2]) - max(bounds[0], area[0])
    height_m = min(bounds[3], area[3]) - max(bounds[1], area[1])
    whole_m2 = (area[2] - area[0]) * (area[3] - area[1])
    return float(np.clip(width_m, 0.0, None) * np.clip(height_m, 0.0, None) / whole_m2)
