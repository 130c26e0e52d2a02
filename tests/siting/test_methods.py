"""TOPSIS against numpy written out, and the stated treatment of what is missing or infinite."""

from __future__ import annotations

import numpy as np
import pytest

from gis.errors import UsageError
from siting.citation import Citation
from siting.methods import topsis, weighted_sum
from siting.pack import Criterion
from siting.scoring import score_of


def criterion(objective: str, weight: float) -> Criterion:
    worst, best = (0.0, 1.0) if objective == "MAX" else (1.0, 0.0)
    return Criterion(criterion_id="x", site_class="large", weight=weight, worst=worst, best=best, unit="m",
                     objective=objective, citation=Citation(document="engineering", heading="test"))  # type: ignore[arg-type]


MIXED = tuple(criterion("MAX" if i % 3 else "MIN", w) for i, w in enumerate((0.1, 0.3, 0.15, 0.25, 0.2)))


def written_out(raw: np.ndarray, criteria: tuple[Criterion, ...], normalisation: str) -> np.ndarray:
    scale = np.sqrt((raw**2).sum(axis=0)) if normalisation == "vector" else np.abs(raw).max(axis=0)
    weighted = raw / scale * [c.weight for c in criteria]
    more = np.array([c.objective == "MAX" for c in criteria])
    best = np.where(more, weighted.max(axis=0), weighted.min(axis=0))
    worst = np.where(more, weighted.min(axis=0), weighted.max(axis=0))
    near, far = (np.sqrt(((weighted - end) ** 2).sum(axis=1)) for end in (best, worst))
    return np.asarray(far / (near + far))


@pytest.mark.parametrize("normalisation", ["vector", "max"])
@pytest.mark.parametrize("n", [2, 500, 70_000])
def test_topsis_agrees_with_numpy(n: int, normalisation: str) -> None:
    raw = np.random.default_rng(n).uniform(1.0, 100.0, (n, len(MIXED)))
    found = topsis(raw, MIXED, normalisation=normalisation)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.score, written_out(raw, MIXED, normalisation), rtol=0.0, atol=1e-12)
    np.testing.assert_allclose(found.data_coverage, 1.0)


def test_topsis_worked_by_hand() -> None:
    # Columns 3, 4 and 6, 8: norms 5 and 10. The cost column runs the other way.
    raw = np.array([[3.0, 6.0], [4.0, 8.0]])
    found = topsis(raw, (criterion("MAX", 0.75), criterion("MIN", 0.25)))
    np.testing.assert_allclose(found.score, [0.25, 0.75], atol=1e-12)


def test_what_was_not_measured_enters_neither_distance() -> None:
    raw = np.array([[1.0, 5.0], [2.0, np.nan], [4.0, 1.0], [np.nan, np.nan]])
    found = topsis(raw, (criterion("MAX", 0.5), criterion("MAX", 0.5)), normalisation="max")
    assert found.score[1] == pytest.approx((2.0 - 1.0) / (4.0 - 1.0))
    np.testing.assert_allclose(found.data_coverage, [1.0, 0.5, 1.0, 0.0])
    assert found.score[3] == 0.0


def test_a_matrix_with_gaps_agrees_with_numpy_row_by_row() -> None:
    rng = np.random.default_rng(4)
    raw = rng.uniform(1.0, 100.0, (70_001, len(MIXED)))
    weights = np.array([c.weight for c in MIXED])
    whole = raw.copy()
    holes = rng.uniform(size=raw.shape) < 0.02
    holes[:40_000] = False  # blocks with gaps and blocks without
    raw[holes] = np.nan
    found = topsis(raw, MIXED)
    value = raw / np.sqrt(np.nansum(raw**2, axis=0)) * weights
    more = np.array([c.objective == "MAX" for c in MIXED])
    best = np.where(more, np.nanmax(value, axis=0), np.nanmin(value, axis=0))
    worst = np.where(more, np.nanmin(value, axis=0), np.nanmax(value, axis=0))
    near, far = (np.sqrt(np.nansum((value - end) ** 2, axis=1)) for end in (best, worst))
    np.testing.assert_allclose(found.score, far / (near + far), rtol=0.0, atol=1e-12)
    np.testing.assert_allclose(found.data_coverage, np.where(holes, 0.0, weights).sum(axis=1), rtol=0.0, atol=1e-12)
    assert topsis(whole[:9], MIXED).data_coverage.tolist() == [1.0] * 9


def test_overflow_of_squares_is_not_taken_for_a_gap() -> None:
    raw = np.array([[1e200], [2e200], [4e200]] * 20)
    score = topsis(raw, (criterion("MAX", 1.0),), normalisation="max").score
    np.testing.assert_allclose(score[:3], [0.0, 1.0 / 3.0, 1.0], atol=1e-12)


@pytest.mark.parametrize("n", [0, 1, 15, 16, 17])
def test_few_rows(n: int) -> None:
    raw = np.random.default_rng(n).uniform(1.0, 2.0, (n, len(MIXED)))
    assert topsis(raw[:, ::-1][:, ::-1], MIXED).score.shape == (n,)
    if n > 1:
        np.testing.assert_allclose(topsis(np.asfortranarray(raw), MIXED).score, written_out(raw, MIXED, "vector"),
                                   rtol=0.0, atol=1e-12)


def test_infinitely_far_is_as_bad_as_the_farthest() -> None:
    pair = (criterion("MIN", 0.5), criterion("MAX", 0.5))
    raw = np.array([[10.0, 1.0], [40.0, 2.0], [np.inf, 2.0]])
    score = topsis(raw, pair).score
    assert score[2] == score[1]
    assert np.isfinite(score).all()


def test_a_column_that_tells_nothing_apart_changes_nothing() -> None:
    raw = np.array([[1.0, 0.0, np.inf], [2.0, 0.0, np.inf]])
    assert topsis(raw, tuple(criterion("MAX", 0.3) for _ in range(3))).score.tolist() == [0.0, 1.0]


def test_weighted_sum_is_the_score() -> None:
    raw = np.random.default_rng(1).uniform(-0.5, 1.5, (50, len(MIXED)))
    np.testing.assert_array_equal(weighted_sum(raw, MIXED).score, score_of(raw, MIXED)[0])


def test_wrong_use_is_refused() -> None:
    with pytest.raises(UsageError, match="normalisation"):
        topsis(np.ones((2, 5)), MIXED, normalisation="minmax")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="5 criteria"):
        topsis(np.ones((2, 4)), MIXED)
