"""Where weights come from: pairwise judgements, best and worst, the data themselves, or a stated mix.

Every function returns weights that sum to 1, one per criterion in the order given. Whether they are used
is for the study to say; the outputs show them beside the pack's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gis.errors import UsageError
from siting.linear_programs import LinearProgram, solve

Floats = NDArray[np.float64]
Judgement = tuple[str, str, float]
"""Criterion a, criterion b, and how many times more a matters than b (1/9 to 9)."""

RANDOM_INDEX = (0.0, 0.0, 0.0, 0.5245, 0.8815, 1.1086, 1.2479, 1.3417, 1.4056, 1.4499, 1.4854, 1.5140, 1.5365, 1.5551,
                1.5713, 1.5838)
"""Mean consistency index of random judgements by number of criteria (Alonso and Lamata, 2006)."""

ACCEPTABLE_CONSISTENCY = 0.1
"""Consistency ratio above which judgements should be made again (Saaty, 1980)."""

SAATY_SCALE = (1 / 9, 1 / 8, 1 / 7, 1 / 6, 1 / 5, 1 / 4, 1 / 3, 1 / 2, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0)


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class JudgedWeights:
    """Weights from judgements, and how far the judgements agree among themselves."""

    weights: Floats
    """Per criterion; they sum to 1."""
    consistency_ratio: float
    """0 for judgements that agree wholly; above ``ACCEPTABLE_CONSISTENCY`` they should be made again."""
    worst_pair: tuple[str, str] | None
    """The pair whose judgement fits the others least; None where all agree."""
    judged: float
    """What was said of that pair."""
    mended: float
    """What the others imply, on the scale of judgements."""
    mended_ratio: float | None = None
    """Consistency ratio with that judgement instead; None where it was not reckoned."""

    @property
    def is_consistent(self) -> bool:
        """Tell whether the judgements agree well enough."""
        return self.consistency_ratio <= ACCEPTABLE_CONSISTENCY


def pairwise_matrix(criteria: Sequence[str], judgements: Sequence[Judgement]) -> Floats:
    """Put the judgements of one expert into a matrix of comparisons, 0 where nothing was said.

    Raises
    ------
    UsageError
        A criterion is unknown, a pair is judged twice, a ratio is not between 1/9 and 9, or the judgements do not
        connect all criteria.
    """
    place = {name: i for i, name in enumerate(criteria)}
    matrix = np.zeros((len(criteria), len(criteria)))
    np.fill_diagonal(matrix, 1.0)
    for a, b, ratio in judgements:
        for name in (a, b):
            if name not in place:
                raise UsageError(f"judgement of unknown criterion {name!r}; known: {', '.join(criteria)}",
                                 f"判断矩阵中有未知准则 {name!r}；可用：{'、'.join(criteria)}")
        i, j = place[a], place[b]
        if i == j or matrix[i, j] > 0:
            raise UsageError(f"the pair {a!r}, {b!r} is judged twice or against itself; keep one judgement",
                             f"准则对 {a!r} 与 {b!r} 重复判断或与自身比较；请只保留一个")
        if not SAATY_SCALE[0] - 1e-9 <= ratio <= SAATY_SCALE[-1] + 1e-9:
            raise UsageError(f"the judgement of {a!r} over {b!r} is {ratio:g}; it must lie between 1/9 and 9",
                             f"{a!r} 对 {b!r} 的判断值为 {ratio:g}；须在 1/9 至 9 之间")
        matrix[i, j], matrix[j, i] = ratio, 1.0 / ratio
    _require_connected(matrix > 0, criteria)
    return matrix


def _is_connected(known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which criteria a chain of judgements joins with the first one."""
    reached = np.zeros(len(known), dtype=np.bool_)
    reached[:1] = True
    for _ in range(len(known)):
        reached |= known[reached].any(axis=0)
    return reached


def _require_connected(known: NDArray[np.bool_], criteria: Sequence[str]) -> None:
    reached = _is_connected(known)
    if not reached.all():
        names = [name for name, is_reached in zip(criteria, reached, strict=True) if not is_reached]
        raise UsageError(f"no chain of judgements joins {criteria[0]!r} with {', '.join(names)}; compare them",
                         f"{criteria[0]!r} 与 {'、'.join(names)} 之间没有判断相连；请补充比较")


def analytic_hierarchy(criteria: Sequence[str], experts: Sequence[Floats]) -> JudgedWeights:
    """Weigh by the principal eigenvector of pairwise judgements (AHP; Saaty, 1980).

    Several experts are joined by the geometric mean of their judgements. Pairs that nobody judged are left
    out as Harker (1987) does: the diagonal counts them, so that the others decide.

    Parameters
    ----------
    criteria
        ``k`` names.
    experts
        Matrices of :func:`pairwise_matrix`, each of shape (k, k).
    """
    stack = np.array(experts)
    known = stack > 0
    n_known = known.sum(axis=0)
    logs = np.where(known, np.log(np.where(known, stack, 1.0)), 0.0).sum(axis=0)
    joined = np.where(n_known > 0, np.exp(logs / np.maximum(n_known, 1)), 0.0)
    _require_connected(joined > 0, criteria)
    weights, ratio = _principal(joined)
    pair = _least_fitting(joined, weights)
    if pair is None:
        return JudgedWeights(weights=weights, consistency_ratio=ratio, worst_pair=None, judged=1.0, mended=1.0)
    mended = _implied_by_others(joined, weights, pair)
    again = joined.copy()
    again[pair], again[pair[::-1]] = mended, 1.0 / mended
    return JudgedWeights(weights=weights, consistency_ratio=ratio, worst_pair=(criteria[pair[0]], criteria[pair[1]]),
                         judged=float(joined[pair]), mended=mended, mended_ratio=_principal(again)[1])


def _principal(matrix: Floats) -> tuple[Floats, float]:
    """Return the principal eigenvector as weights, and the consistency ratio; 0 marks pairs that nobody judged."""
    n = len(matrix)
    quasi = matrix.copy()
    np.fill_diagonal(quasi, 1.0 + (matrix == 0).sum(axis=1))
    values, vectors = np.linalg.eig(quasi)
    principal = int(np.argmax(values.real))
    weights = np.abs(vectors[:, principal].real)
    index = max(0.0, float(values[principal].real) - n) / max(n - 1, 1)
    random = RANDOM_INDEX[min(n, len(RANDOM_INDEX) - 1)]
    return weights / weights.sum(), index / random if random else 0.0


def _least_fitting(matrix: Floats, weights: Floats) -> tuple[int, int] | None:
    """Find the judgement that is farthest from the ratio of the weights; None where all fit."""
    upper = np.triu(matrix > 0, 1)
    misfit = np.where(upper, np.abs(np.log(np.where(upper, matrix, 1.0) * weights[None, :] / weights[:, None])), 0.0)
    i, j = divmod(int(np.argmax(misfit)), len(weights))
    return None if misfit[i, j] < 1e-9 else (i, j)


def _implied_by_others(matrix: Floats, weights: Floats, pair: tuple[int, int]) -> float:
    """Return the step of the scale that the other judgements imply for a pair.

    They are weighed without it; where nothing else joins the two, the weights with it must do.
    """
    others = matrix.copy()
    others[pair] = others[pair[::-1]] = 0.0
    if _is_connected(others > 0).all():
        weights = _principal(others)[0]
    scale = np.array(SAATY_SCALE)
    return float(scale[int(np.argmin(np.abs(np.log(scale * weights[pair[1]] / weights[pair[0]]))))])


def best_worst(criteria: Sequence[str], best: str, worst: str, best_over: Mapping[str, float],
               over_worst: Mapping[str, float]) -> JudgedWeights:
    """Weigh by comparisons with the best and the worst criterion alone (linear BWM; Rezaei, 2016).

    Parameters
    ----------
    criteria
        ``k`` names.
    best, worst
        The criterion that matters most and the one that matters least.
    best_over
        How many times the best matters more than each criterion, 1 to 9.
    over_worst
        How many times each criterion matters more than the worst, 1 to 9.

    Returns
    -------
    The ratio of consistency is the largest deviation left, in weight; the pair is where it occurs.

    Raises
    ------
    UsageError
        A comparison is missing or no number of 1 to 9.
    """
    place = {name: i for i, name in enumerate(criteria)}
    for name in (best, worst, *best_over, *over_worst):
        if name not in place:
            raise UsageError(f"unknown criterion {name!r} in best-worst comparisons; known: {', '.join(criteria)}",
                             f"最优最劣比较中有未知准则 {name!r}；可用：{'、'.join(criteria)}")
    pairs = []
    for name in criteria:
        for a, b, table in ((best, name, best_over), (name, worst, over_worst)):
            if a == b:
                continue
            ratio = table.get(name)
            if ratio is None or not 1.0 <= ratio <= 9.0:
                raise UsageError(f"best-worst: how many times {a!r} matters more than {b!r} must be 1 to 9, "
                                 f"not {ratio}", f"最优最劣法：{a!r} 相对 {b!r} 的重要性须为 1 至 9，现为 {ratio}")
            pairs.append((place[a], place[b], float(ratio)))
    weights, deviation = _best_worst_program(len(criteria), pairs)
    gaps = [abs(weights[i] - ratio * weights[j]) for i, j, ratio in pairs]
    where = int(np.argmax(gaps)) if gaps else 0
    i, j, judged = pairs[where] if pairs else (0, 0, 1.0)
    is_off = bool(gaps) and gaps[where] > 1e-9
    implied = weights[i] / weights[j] if weights[j] > 0 else np.inf
    return JudgedWeights(weights=weights, consistency_ratio=deviation,
                         worst_pair=(criteria[i], criteria[j]) if is_off else None, judged=judged,
                         mended=float(np.clip(round(implied) if np.isfinite(implied) else 9.0, 1.0, 9.0)))


def _best_worst_program(n: int, pairs: Sequence[tuple[int, int, float]]) -> tuple[Floats, float]:
    """Minimise the largest ``|w_a - ratio w_b|`` with weights that sum to 1."""
    entries: list[tuple[int, int, float]] = []
    for r, (a, b, ratio) in enumerate(pairs):
        entries += [(2 * r, a, 1.0), (2 * r, b, -ratio), (2 * r, n, -1.0),
                    (2 * r + 1, a, -1.0), (2 * r + 1, b, ratio), (2 * r + 1, n, -1.0)]
    last = 2 * len(pairs)
    entries += [(last, i, 1.0) for i in range(n)]
    rows, columns, values = (np.array(part) for part in zip(*entries, strict=True))
    found = solve(LinearProgram(
        reward=np.append(np.zeros(n), -1.0), lower=np.zeros(n + 1), upper=np.full(n + 1, np.inf),
        row_lower=np.append(np.full(last, -np.inf), 1.0), row_upper=np.append(np.zeros(last), 1.0),
        rows=rows.astype(np.int64), columns=columns.astype(np.int64), values=values.astype(np.float64),
        is_integer=np.zeros(n + 1, dtype=np.bool_)))
    return found.x[:n] / found.x[:n].sum(), float(found.x[n])


def entropy_weights(normalised: Floats) -> Floats:
    """Weigh by how unevenly a criterion is spread over the candidates (Shannon entropy).

    Parameters
    ----------
    normalised
        Candidates x criteria, 0 to 1; NaN where not measured. Those rows do not count for their column.

    Returns
    -------
    Shape (k,). A criterion that is the same everywhere, or nowhere measured, gets 0.
    """
    measured = ~np.isnan(normalised)
    values = np.where(measured, normalised, 0.0)
    totals = values.sum(axis=0)
    n = measured.sum(axis=0)
    shares = np.divide(values, totals, out=np.zeros_like(values), where=totals > 0)
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=0)
    most = np.log(np.maximum(n, 2))
    told = 1.0 - entropy / most
    # What rounding leaves of a constant criterion is no information.
    return _of_total(np.where((totals > 0) & (n > 1) & (told > 1e-12), told, 0.0))


def critic_weights(normalised: Floats) -> Floats:
    """Weigh by contrast and by how little a criterion repeats the others (CRITIC; Diakoulaki et al., 1995).

    Parameters
    ----------
    normalised
        Candidates x criteria, 0 to 1; NaN where not measured. A missing value counts as the mean of its column.

    Returns
    -------
    Shape (k,). A criterion that is the same everywhere gets 0.
    """
    counted = np.maximum((~np.isnan(normalised)).sum(axis=0), 1)
    mean = np.nansum(normalised, axis=0) / counted
    centred = np.where(np.isnan(normalised), 0.0, normalised - mean)
    n = max(len(normalised) - 1, 1)
    spread = np.sqrt((centred**2).sum(axis=0) / n)
    scale = np.where(spread > 0, spread, 1.0)
    correlation = (centred / scale).T @ (centred / scale) / n
    varies = spread > 1e-12
    conflict = np.where(varies[None, :], 1.0 - correlation, 0.0).sum(axis=1)
    return _of_total(np.where(varies, spread * conflict, 0.0))


def mixed_weights(sets: Sequence[tuple[float, Floats]]) -> Floats:
    """Mix sets of weights by their shares.

    Raises
    ------
    UsageError
        A share is negative, or none is positive.
    """
    shares = [share for share, _ in sets]
    if not sets or min(shares) < 0 or sum(shares) <= 0:
        raise UsageError("the shares of a mix of weights must not be negative, and one must be positive",
                         "组合权重的份额不得为负，且至少一项为正")
    return _of_total(np.sum([share * weights for share, weights in sets], axis=0))


def _of_total(values: Floats) -> Floats:
    total = float(values.sum())
    if total <= 0:
        raise UsageError("no criterion differs between the candidates, so that the data give no weights; state them",
                         "各候选对象在所有准则上没有差异，无法由数据确定权重；请直接给出权重")
    return np.asarray(values / total, dtype=np.float64)
