"""A study of more candidates than memory holds: read, scored and written batch by batch.

The file of parcels passes through twice. The first time each batch is scored, its columns are kept on
disk, and what is said of all candidates is added up; in memory stay a score, a verdict and an id for
each candidate, and the best candidates of each class. Then ranks are given over all. The second time
each batch is joined with its columns and ranks and handed to the writer. Scores, ranks and tables are
those that a run in one piece would give; map, lists and report show the best.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import NamedTuple

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from gis.bilingual import Text
from gis.engines import Engine, SerialEngine
from gis.errors import LayerError, SitingToolError
from gis.partitions import ROWS_PER_PARTITION, joined, partitions_of
from gis.progress import Progress, silent
from layers.cache import PartStore
from layers.loading import LoadedBatch, iter_layer
from layers.schemas import LAYERS
from layers.sources.geoparquet_file import ahead
from layers.sources.vector_file import in_parts
from layers.types import CERTAINTIES, CityLayers, LayerProvenance, LayerSpec, Ledger
from siting.candidates import find_candidates
from siting.large_tally import Tally
from siting.pack import CityPack
from siting.partition_key import run_key
from siting.partition_scores import (
    Columns,
    ScoringJob,
    measured_against,
    placed_by,
    score_partition,
    scores_of,
    scoring_job,
)
from siting.study import applied, concluded
from siting.types import Study, StudyResult
from siting.weighting import judged_pack, weight_choices
from siting.zones import build_units

LARGEST_IN_MEMORY = 2_000_000
"""Candidates up to which a study is held whole: three kilobytes each, its outputs included."""

N_BEST = 100_000
"""Candidates of each class that map, lists and report of a large study hold."""

ROWS_PER_BATCH = 4 * ROWS_PER_PARTITION
"""Rows that are read and held together."""

_PARCELS = "parcels"

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class LargeStudy:
    """What a study of many candidates found."""

    result: StudyResult
    """The study with its best candidates; the census is that of all."""
    parts: Callable[[], Iterator[StudyResult]]
    """All candidates, batch by batch in the order of the file, with the ranks and the census of the whole."""


class LargeLayer(NamedTuple):
    """A layer that is read in batches."""

    spec: LayerSpec
    n_rows: int
    """Rows of its file."""


def layer_in_batches(specs: Sequence[LayerSpec], pack: CityPack, study: Study,
                     largest: int = LARGEST_IN_MEMORY) -> LargeLayer | None:
    """Return the layer of parcels where it is read in batches: one GeoParquet file of more than ``largest`` rows.

    Another file, or parcels that candidates are measured against, are read whole; None for those.
    """
    given = [spec for spec in specs if spec.name == _PARCELS]
    is_asked = _PARCELS in measured_against(applied(pack, study), study.classes or pack.default_classes)
    if study.candidates != _PARCELS or len(given) != 1 or is_asked:
        return None
    try:
        with in_parts(given[0]) as layer:
            return LargeLayer(given[0], layer.n_rows) if layer.n_rows > largest else None
    except SitingToolError:
        # Whatever is wrong with the file is said where it is read.
        return None


def run_large_study(city_layers: CityLayers, large: LargeLayer, pack: CityPack, study: Study, *, parts_folder: Path,
                    progress: Progress = silent, timings_s: Mapping[str, float] | None = None,
                    engine: Engine | None = None, rows_per_batch: int = ROWS_PER_BATCH,
                    rows_per_partition: int = ROWS_PER_PARTITION, n_best: int = N_BEST) -> LargeStudy:
    """Run a study whose parcels are read in batches.

    Parameters
    ----------
    city_layers
        All other layers, in the pack's metric CRS.
    large
        The layer of parcels.
    pack, study, progress, timings_s, engine, rows_per_partition
        As for ``siting.study.run_study``.
    parts_folder
        Keeps what came of each batch, from this run or from one of the same that was stopped; whatever
        else it holds is removed. It must stay until all parts are written.
    rows_per_batch
        Rows of the file that are read and held together.
    n_best
        Candidates of each class that the result holds.

    Raises
    ------
    UsageError, InfeasibleError
        As for ``siting.study.run_study``.
    DataError
        Whatever the reader complains of.
    """
    started = time.perf_counter()
    shipped, pack = pack, judged_pack(applied(pack, study), study, is_final=True)
    job = scoring_job(city_layers, build_units(city_layers, pack), pack, study, study.classes or pack.default_classes)
    tally = Tally(job.classes, n_best)
    scoring = _Scoring(job, city_layers, engine or SerialEngine(), parts_folder, rows_per_batch, rows_per_partition)
    step = Text(zh="评价地块", en="scoring candidates")

    area = city_layers.area_of_interest
    assert isinstance(area, Polygon | MultiPolygon)  # made of outlines

    def batches() -> Iterable[LoadedBatch]:
        return iter_layer(large.spec, metric_crs=city_layers.metric_crs, rows_per_batch=rows_per_batch,
                          area_of_interest=area)

    def take(batch: _Batch, columns: Columns) -> None:
        candidates = placed_by(batch.candidates, columns, job)
        tally.add(batch.number, candidates, columns, [scores_of(columns, job, c) for c in job.classes])
        progress(step, min(tally.n_candidates, large.n_rows), large.n_rows)

    scoring.run(batches(), take)
    ranks = tally.ranks()
    candidates, columns = tally.best(ranks)
    scores = [replace(scores_of(columns, job, c), rank=columns[f"{c}/rank"]) for c in job.classes]
    timings = {**(timings_s or {}), "scores": time.perf_counter() - started}
    result = concluded(job, scoring.with_parcels(), candidates, scores, tally.census, timings, progress=progress,
                       facts=(_what_is_shown(tally.n_candidates, n_best),),
                       choices=weight_choices(shipped, study, scores))
    return LargeStudy(result=result, parts=lambda: scoring.parts(batches(), result, ranks))


def _what_is_shown(n_candidates: int, n_best: int) -> Text:
    return Text(
        zh=f"共评价 {n_candidates} 个候选地块，全部列于 parcels.parquet；"
           f"地图、名单与报告只载各类别得分最高的 {n_best} 个，统计数字涵盖全部地块。",
        en=f"All {n_candidates} candidates were scored and are listed in parcels.parquet; map, lists and report hold "
           f"the {n_best} best of each class, and every count is of all.")


@dataclass(frozen=True, eq=False)
class _Batch:
    """Candidates that were read together."""

    number: int
    """Place among the batches that hold a candidate."""
    candidates: gpd.GeoDataFrame


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A batch of which some partitions are still under way."""

    batch: _Batch
    partitions: tuple[NDArray[np.int64], ...]
    parts: list[tuple[int, Columns]] = field(default_factory=list)

    def joined(self) -> Columns:
        """Return the columns of the whole batch."""
        return joined(self.parts, self.partitions, len(self.batch.candidates))


class _Scoring:
    """Scores batches, or finds them among those that were kept."""

    def __init__(self, job: ScoringJob, city_layers: CityLayers, engine: Engine, parts_folder: Path,
                 rows_per_batch: int, rows_per_partition: int) -> None:
        self.job, self.city_layers, self.engine, self.parts_folder = job, city_layers, engine, parts_folder
        self.rows_per_batch, self.rows_per_partition = rows_per_batch, rows_per_partition
        self.provenance: list[LayerProvenance] = []
        self._store: PartStore | None = None

    def run(self, batches: Iterable[LoadedBatch], take: Callable[[_Batch, Columns], None]) -> None:
        """Hand over every batch with its columns; batches overtake one another where several workers score."""
        places = count()
        under_way: dict[int, tuple[_Waiting, int]] = {}

        def frames() -> Iterator[gpd.GeoDataFrame]:
            for batch in ahead(self._batches(self._accounted(batches))):
                kept = self._opened().get(batch.number)
                if kept is not None:
                    take(batch, kept)
                    continue
                waiting = self._waiting(batch)
                for number, rows in enumerate(waiting.partitions):
                    under_way[next(places)] = (waiting, number)
                    yield batch.candidates.iloc[rows]

        with closing(self.engine.run(score_partition, frames(), self.job)) as scored:
            for place, part in scored:
                waiting, number = under_way.pop(place)
                waiting.parts.append((number, part))
                if len(waiting.parts) == len(waiting.partitions):
                    columns = waiting.joined()
                    self._opened().put(waiting.batch.number, columns)
                    take(waiting.batch, columns)
        if not self.provenance or not any(p.ledger.accepted + p.ledger.repaired for p in self.provenance):
            # Says what is missing and the remedy.
            find_candidates(self.city_layers, self.job.pack, self.job.study)

    def parts(self, batches: Iterable[LoadedBatch], result: StudyResult,
              ranks: Mapping[str, Sequence[Integers]]) -> Iterator[StudyResult]:
        """Yield every batch as a study of its own, with the ranks and the census of the whole."""
        # Not ahead: the writers hold blocks of their own meanwhile.
        for batch in self._batches(self._unchanged(batches)):
            columns = self._opened().get(batch.number)
            if columns is None:
                waiting = self._waiting(batch)
                waiting.parts.extend((number, score_partition(self.job, batch.candidates.iloc[rows]))
                                     for number, rows in enumerate(waiting.partitions))
                columns = waiting.joined()
            scores = [replace(scores_of(columns, self.job, c), rank=ranks[c][batch.number]) for c in self.job.classes]
            yield replace(result, candidates=placed_by(batch.candidates, columns, self.job), scores=tuple(scores))

    def with_parcels(self) -> CityLayers:
        """Return the layers with the account of all rows that were read."""
        order = list(LAYERS)
        provenance = sorted((*self.city_layers.provenance, joined_provenance(self.provenance)),
                            key=lambda p: order.index(p.layer))
        missing = tuple(name for name in self.city_layers.missing if name != _PARCELS)
        return replace(self.city_layers, provenance=tuple(provenance), missing=missing)

    def _accounted(self, batches: Iterable[LoadedBatch]) -> Iterator[LoadedBatch]:
        for loaded in batches:
            self.provenance.append(loaded.provenance)
            yield loaded

    def _unchanged(self, batches: Iterable[LoadedBatch]) -> Iterator[LoadedBatch]:
        for loaded in batches:
            if loaded.provenance.sha256 != self.provenance[0].sha256:
                name = loaded.provenance.path
                raise LayerError(f"{name} was changed while the study ran; run it again",
                                 f"{name} 在运行期间被修改；请重新运行")
            yield loaded

    def _batches(self, loaded: Iterable[LoadedBatch]) -> Iterator[_Batch]:
        """Yield the batches that hold a candidate, with their shape measured."""
        filled = (batch.frame for batch in loaded if len(batch.frame))
        for number, frame in enumerate(filled):
            layers = replace(self.city_layers, frames={**self.city_layers.frames, _PARCELS: frame})
            yield _Batch(number, find_candidates(layers, self.job.pack, self.job.study))

    def _waiting(self, batch: _Batch) -> _Waiting:
        geometries = np.asarray(batch.candidates.geometry.array, dtype=object)
        return _Waiting(batch, partitions_of(geometries, self.rows_per_partition))

    def _opened(self) -> PartStore:
        """Return the store, whose key needs the hash of the file, which the first batch brings."""
        if self._store is None:
            first = replace(self.provenance[0], ledger=Ledger(0, 0), n_outside=0, certainty="real")
            layers = replace(self.city_layers, provenance=(*self.city_layers.provenance, first))
            sizes = np.array([self.rows_per_batch, self.rows_per_partition], dtype=np.int64)
            self._store = PartStore(self.parts_folder, run_key(self.job, layers, [sizes]))
        return self._store


def joined_provenance(parts: Sequence[LayerProvenance]) -> LayerProvenance:
    """Return the account of a layer from those of its batches."""
    ledgers = [part.ledger for part in parts]
    summed = Ledger(
        read=sum(x.read for x in ledgers), accepted=sum(x.accepted for x in ledgers),
        repaired=sum(x.repaired for x in ledgers), rejected=sum(x.rejected for x in ledgers),
        remarks=tuple(remark for x in ledgers for remark in x.remarks),
        notes=tuple(note for x in ledgers for note in x.notes))
    return replace(
        parts[0], ledger=summed, certainty=max((p.certainty for p in parts), key=CERTAINTIES.index),
        n_outside=sum(p.n_outside for p in parts),
        reading_notes=tuple(dict.fromkeys(note for p in parts for note in p.reading_notes)))
