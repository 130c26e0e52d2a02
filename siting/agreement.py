"""Do different methods rank alike, and does a method keep its order when a candidate is added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gis.bilingual import Text
from siting.methods import METHODS, Method
from siting.pack import Criterion

Floats = NDArray[np.float64]

ORDER_DECIMALS = 12
"""Scores that agree in so many decimals are equal in rank."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodAgreement:
    """One method against the weighted sum."""

    method: str
    """Key of ``siting.methods.METHODS``."""
    title: Text
    tau: float
    """Kendall's tau-b over all candidates: 1 for the same order, 0 for none in common."""
    overlap: float
    """Share of the top list that is also the method's own."""
    n_top: int
    """Length of the list."""
    moved: float
    """Share of the pairs that change their order when a candidate is added that is nowhere better than the others;
    0 where the method keeps its promise."""


def kendall_tau(a: Floats, b: Floats) -> float:
    """Measure how far two scores order alike (tau-b, ties counted): O(n log n) after Knight (1966).

    Returns
    -------
    -1 to 1; NaN where one of them tells no two apart.
    """
    n = len(a)
    order = np.lexsort((b, a))
    first, second = a[order], b[order]
    pairs = n * (n - 1) // 2
    tied_a, tied_b = _tied_pairs(first), _tied_pairs(np.sort(b))
    tied_both = _tied_pairs(first, second)
    scale = float(pairs - tied_a) * float(pairs - tied_b)
    if scale <= 0.0:
        return float("nan")
    agreeing = pairs - tied_a - tied_b + tied_both - 2 * discordant_pairs(a, b)
    return float(np.clip(agreeing / np.sqrt(scale), -1.0, 1.0))


def discordant_pairs(a: Floats, b: Floats) -> int:
    """Count the pairs that two scores put in opposite order; a tie in either is no opposition."""
    from siting._ranking_kernels import inversions

    return int(inversions(np.ascontiguousarray(b[np.lexsort((b, a))], dtype=np.float64)))


def _tied_pairs(*columns: Floats) -> int:
    """Count the pairs that are alike in all columns, which are sorted together."""
    if len(columns[0]) == 0:
        return 0
    differs = np.any([np.diff(column) != 0 for column in columns], axis=0)
    sizes = np.diff(np.flatnonzero(np.concatenate(([True], differs, [True]))))
    return int((sizes * (sizes - 1) // 2).sum())


def overlap_of_best(a: Floats, b: Floats, n_top: int) -> float:
    """Return the share of the best ``n_top`` of ``a`` that are among the best of ``b``; ties go by row."""
    n = min(n_top, len(a))
    if n == 0:
        return float("nan")
    best_a, best_b = (np.argsort(-np.round(x, ORDER_DECIMALS), kind="stable")[:n] for x in (a, b))
    return float(np.isin(best_a, best_b).mean())


def moved_by_dominated(method: Method, raw: Floats, criteria: tuple[Criterion, ...]) -> float:
    """Add a candidate as bad as the worst in every criterion, and return the share of pairs that change order.

    A weighted sum with fixed anchors cannot move; methods that measure candidates against one another can.
    """
    n = len(raw)
    if n < 2:
        return 0.0
    finite = np.where(np.isfinite(raw), raw, np.nan)
    worst = np.full(raw.shape[1], np.nan)
    for j, criterion in enumerate(criteria):
        column = finite[:, j][~np.isnan(finite[:, j])]
        if len(column):
            worst[j] = column.min() if criterion.objective == "MAX" else column.max()
    before = method(raw, criteria).score
    after = method(np.vstack([raw, worst]), criteria).score[:-1]
    moved = discordant_pairs(np.round(before, ORDER_DECIMALS), np.round(after, ORDER_DECIMALS))
    return moved / (n * (n - 1) / 2)


def agreement(raw: Floats, criteria: tuple[Criterion, ...], n_top: int,
              methods: Sequence[str] = tuple(METHODS)) -> tuple[MethodAgreement, ...]:
    """Rank the same candidates by every method and compare each with the weighted sum.

    Parameters
    ----------
    raw
        Candidates x criteria, in the criteria's units; NaN where not measured.
    criteria
        One per column, with weights and anchors.
    n_top
        Length of the list whose overlap is counted.
    methods
        Keys of ``METHODS``.
    """
    base = np.round(METHODS["weighted_sum"][1](raw, criteria).score, ORDER_DECIMALS)
    found = []
    for key in methods:
        title, method = METHODS[key]
        score = np.round(method(raw, criteria).score, ORDER_DECIMALS)
        found.append(MethodAgreement(method=key, title=title, tau=kendall_tau(base, score),
                                     overlap=overlap_of_best(base, score, n_top), n_top=min(n_top, len(raw)),
                                     moved=moved_by_dominated(method, raw, criteria)))
    return tuple(found)
