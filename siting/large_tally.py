"""What is held of all candidates of a large study while its batches pass by."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from siting.census import Census, census_of, merged
from siting.partition_scores import Columns
from siting.scoring import rank_of
from siting.types import SiteScores

Integers = NDArray[np.int64]

_MOST_KEPT = 1.25
"""How many times as many as are wanted may be held until those that are beaten are let go."""

_SCORE_DECIMALS = 12
"""As ranks are given (``siting.scoring.rank_of``)."""


@dataclass(frozen=True, eq=False)
class _Kept:
    """Candidates of one batch that may be among the best."""

    rows: Integers
    """Rows of the batch."""
    candidates: gpd.GeoDataFrame
    columns: Columns

    def __getitem__(self, mask: NDArray[np.bool_]) -> _Kept:
        return _Kept(self.rows[mask], self.candidates[mask], {name: v[mask] for name, v in self.columns.items()})


class Tally:
    """Counts, ranks and the best of candidates that come batch by batch, in any order.

    Held of each candidate: a score and a verdict for each class, and its id, about 30 bytes for two
    classes. Held whole: at most a batch and a quarter more than ``n_best`` candidates for each class.

    Parameters
    ----------
    classes
        Keys of the classes.
    n_best
        How many of the best candidates of each class are wanted.
    """

    def __init__(self, classes: Sequence[str], n_best: int) -> None:
        self.classes, self.n_best = tuple(classes), n_best
        self._census: dict[str, Census] = {}
        self._ids: dict[int, NDArray[np.bytes_]] = {}
        self._score: dict[str, dict[int, NDArray[np.float64]]] = {c: {} for c in classes}
        self._eligible: dict[str, dict[int, NDArray[np.bool_]]] = {c: {} for c in classes}
        self._top: dict[str, NDArray[np.float64]] = {c: np.empty(0) for c in classes}
        self._kept: dict[int, _Kept] = {}

    @property
    def n_candidates(self) -> int:
        """Candidates that have passed."""
        return sum(len(ids) for ids in self._ids.values())

    @property
    def census(self) -> tuple[Census, ...]:
        """The census of all of them, per class."""
        return tuple(self._census[c] for c in self.classes)

    def add(self, number: int, candidates: gpd.GeoDataFrame, columns: Columns, scores: Sequence[SiteScores]) -> None:
        """Take note of one batch.

        Parameters
        ----------
        number
            Its place among the batches.
        candidates
            With the unit, zone and district of each.
        columns, scores
            As columns, and as scores of each class; row by row.
        """
        # UTF-8 sorts as the texts do.
        self._ids[number] = np.array([str(key).encode() for key in candidates["parcel_id"]], dtype=np.bytes_)
        for class_id, own in zip(self.classes, scores, strict=True):
            counted = census_of(candidates, own)
            known = self._census.get(class_id)
            self._census[class_id] = counted if known is None else merged([known, counted])
            self._score[class_id][number], self._eligible[class_id][number] = own.score, own.eligible
            self._raise_bar(class_id, number)
        rows = np.flatnonzero(self._may_be_best(number, slice(None)))
        self._kept[number] = _Kept(rows, candidates.iloc[rows], {name: v[rows] for name, v in columns.items()})
        if sum(len(kept.rows) for kept in self._kept.values()) > _MOST_KEPT * self.n_best * len(self.classes):
            self._kept = {n: kept[self._may_be_best(n, kept.rows)] for n, kept in self._kept.items()}

    def _raise_bar(self, class_id: str, number: int) -> None:
        """Keep the ``n_best`` highest scores of the eligible candidates of a class."""
        own = np.round(self._score[class_id][number][self._eligible[class_id][number]], _SCORE_DECIMALS)
        top = np.concatenate([self._top[class_id], own])
        if len(top) > self.n_best:
            top = np.partition(top, len(top) - self.n_best)[len(top) - self.n_best:]
        self._top[class_id] = top

    def _may_be_best(self, number: int, rows: slice | Integers) -> NDArray[np.bool_]:
        """Tell which rows of a batch are not beaten by ``n_best`` others in every class."""
        found = []
        for class_id in self.classes:
            top = self._top[class_id]
            bar = top.min() if len(top) == self.n_best else -np.inf
            is_high = np.round(self._score[class_id][number][rows], _SCORE_DECIMALS) >= bar
            found.append(is_high & self._eligible[class_id][number][rows])
        return np.asarray(np.logical_or.reduce(found), dtype=np.bool_)

    def ranks(self) -> dict[str, tuple[Integers, ...]]:
        """Rank all candidates; return per class the ranks of each batch. Scores and ids are let go."""
        numbers = sorted(self._ids)
        ends = np.cumsum([len(self._ids[n]) for n in numbers])[:-1]
        ids = np.concatenate([self._ids[n] for n in numbers])
        found = {}
        for class_id in self.classes:
            score, eligible = self._score.pop(class_id), self._eligible.pop(class_id)
            rank = rank_of(np.concatenate([score[n] for n in numbers]), np.concatenate([eligible[n] for n in numbers]),
                           ids)
            found[class_id] = tuple(np.split(rank, ends))
        return found

    def best(self, ranks: Mapping[str, Sequence[Integers]]) -> tuple[gpd.GeoDataFrame, Columns]:
        """Return the candidates that are among the ``n_best`` of any class, and their columns.

        Parameters
        ----------
        ranks
            As :meth:`ranks` returns them.

        Returns
        -------
        candidates
            In the order of the batches, with a RangeIndex.
        columns
            Theirs, with the rank of each class ``c`` as ``c/rank``.
        """
        found = []
        for number, kept in sorted(self._kept.items()):
            rank = {f"{c}/rank": ranks[c][number][kept.rows] for c in self.classes}
            is_best = np.logical_or.reduce([(r > 0) & (r <= self.n_best) for r in rank.values()])
            found.append(_Kept(kept.rows, kept.candidates, {**kept.columns, **rank})[is_best])
        columns = {name: np.concatenate([part.columns[name] for part in found]) for name in found[0].columns}
        frames = [part.candidates for part in found if len(part.rows)] or [found[0].candidates]
        with warnings.catch_warnings():
            # Some pandas releases warn of columns that are empty in one part; the types here agree.
            warnings.simplefilter("ignore", FutureWarning)
            candidates = pd.concat(frames, ignore_index=True)
        return gpd.GeoDataFrame(candidates, geometry="geometry", crs=frames[0].crs), columns
