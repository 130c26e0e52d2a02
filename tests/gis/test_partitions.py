"""Partitions cover every row once, lie together, and come back in the order of the input."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gis.partitions import joined, partitions_of


def squares(n: int, seed: int = 1) -> np.ndarray:
    corner = np.random.default_rng(seed).uniform(0.0, 10_000.0, (n, 2))
    return shapely.box(corner[:, 0], corner[:, 1], corner[:, 0] + 50.0, corner[:, 1] + 50.0)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(0, 300), size=st.integers(1, 90))
def test_every_row_is_in_one_partition(n: int, size: int) -> None:
    parts = partitions_of(squares(n), size)
    assert sorted(np.concatenate([*parts, np.empty(0, dtype=np.int64)]).tolist()) == list(range(n))
    assert all(0 < len(rows) <= size and rows.dtype == np.int64 for rows in parts)
    assert len(parts) == -(-n // size)
    assert not parts or max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_partition_lies_together() -> None:
    given_ = squares(4_096)
    spread = [np.prod(np.ptp(shapely.bounds(given_[rows])[:, :2], axis=0)) for rows in partitions_of(given_, 64)]
    at_random = [np.prod(np.ptp(shapely.bounds(given_[i:i + 64])[:, :2], axis=0)) for i in range(0, 4_096, 64)]
    assert np.mean(spread) < 0.06 * np.mean(at_random)


def test_what_has_no_place_comes_last() -> None:
    mixed = squares(6)
    mixed[1], mixed[4] = None, shapely.Polygon()
    parts = partitions_of(mixed, 4)
    assert np.concatenate(parts)[-2:].tolist() == [1, 4]
    assert np.concatenate(partitions_of(np.array([None, None]), 4)).tolist() == [0, 1]


def test_joined_puts_every_value_in_its_row() -> None:
    given_ = squares(1_000)
    parts = partitions_of(given_, 77)
    whole = np.random.default_rng(2).normal(size=(1_000, 3))
    pieces = [(i, {"a": whole[rows], "row": rows.astype(np.int32)}) for i, rows in enumerate(parts)]
    np.random.default_rng(5).shuffle(pieces)  # type: ignore[arg-type]
    found = joined(pieces, parts, 1_000)
    assert found["a"].tobytes() == whole.tobytes()
    assert found["row"].dtype == np.int32
    assert found["row"].tolist() == list(range(1_000))
    assert joined([], (), 0) == {}


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda pieces: pieces[:-1], "1 of 4 partitions are missing"),
    (lambda pieces: [*pieces, pieces[2]], "partition 2 came twice"),
    (lambda pieces: [*pieces[:3], (3, {"a": np.zeros(2)})], "2 values of 'a' for 25 rows"),
    (lambda pieces: [*pieces[:3], (3, {"b": np.zeros(25)})], "other columns"),
])
def test_nothing_is_lost_or_doubled(change, sentence: str) -> None:  # type: ignore[no-untyped-def]
    parts = partitions_of(squares(100), 25)
    pieces = [(i, {"a": np.zeros(len(rows))}) for i, rows in enumerate(parts)]
    with pytest.raises(ValueError, match=sentence):
        joined(change(pieces), parts, 100)
