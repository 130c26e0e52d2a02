"""Ids are unique, and the same whether rows come at once or in parts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from layers.ids import Ids, hashes_of, made_ids, repeated_in, unique_ids, with_tail

NAMES = st.lists(st.sampled_from(["a", "b", "c", "a~2", "a~3", "b~2", "a~2~2"]), max_size=14)


def _objects(names: list[str]) -> np.ndarray:
    return np.array([*names, None], dtype=object)[:-1]


@given(NAMES, st.lists(st.integers(0, 14), max_size=4), st.sets(st.sampled_from(["a", "c", "b~2"])))
def test_parts_get_the_ids_of_the_whole(names: list[str], cuts: list[int], taken: set[str]) -> None:
    wanted = _objects(names)
    whole = unique_ids(wanted, taken).tolist()
    assert len({*whole, *taken}) == len(whole) + len(taken)
    ids = Ids(taken, repeated_in(hashes_of(wanted)), with_tail(wanted))
    parts = [ids.assign(part) for part in np.split(wanted, sorted(cut for cut in cuts if cut <= len(names)))]
    assert [name for part in parts for name in part] == whole


def test_reserved_ids_go_to_nobody() -> None:
    assert unique_ids(_objects(["a", "a", "a"]), (), {"a~2"}).tolist() == ["a", "a~3", "a~4"]
    # But the row that has such an id keeps it.
    assert Ids((), hashes_of(_objects(["a~2"])), {"a~2"}).assign(_objects(["a~2"])).tolist() == ["a~2"]


def test_only_repeated_ids_are_remembered() -> None:
    wanted = _objects([f"P{number}" for number in range(1_000)] + ["P7"])
    repeated = repeated_in(hashes_of(wanted))
    assert repeated.tolist() == hashes_of(_objects(["P7"])).tolist()
    ids = Ids((), repeated, with_tail(wanted))
    assert ids.assign(wanted)[-1] == "P7~2"
    assert len(ids._used) == 2


def test_made_ids_count_from_one() -> None:
    assert made_ids("parcels", np.array([0, 41, 1_234_567])).tolist() == [
        "parcels-000001", "parcels-000042", "parcels-1234568"]
    assert made_ids("parcels", np.empty(0, dtype=np.int64)).tolist() == []
