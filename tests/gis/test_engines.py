"""Every engine gives what the serial one gives, whatever becomes of its workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gis import engines
from gis._engine_workers import portable
from gis.engines import ENGINES, MOST_ATTEMPTS, DaskEngine, Engine, ProcessEngine, SerialEngine, engine_named
from gis.errors import LayerError, SitingToolError, UsageError


def engine_of(name: str, n_workers: int = 2) -> Engine:
    """Return an engine of so many workers."""
    if name == "serial":
        return SerialEngine()
    return ProcessEngine(n_workers) if name == "processes" else DaskEngine(None, n_workers)


def scaled(shared: np.ndarray, item: int) -> np.ndarray:
    """Return what depends on both."""
    return np.sin(shared * item)


def dying_once(folder: str, item: int) -> int:
    """Die on the third item where nobody has died yet."""
    mark = Path(folder) / "died"
    if item == 3 and not mark.exists():
        mark.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    (Path(folder) / f"done-{item}-{os.getpid()}").write_text("")
    return item * item


def dying_always(_: object, item: int) -> int:
    """Die on the first item."""
    if item == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def complaining(_: object, item: int) -> int:
    """Refuse one item."""
    if item == 2:
        raise LayerError("item 2 is bad", "第 2 项有误")
    return item


def threads_of(_: object, __: int) -> int:
    """Return how many threads numerical code would use."""
    from gis.proximity import in_threads
    found: set[int] = set()
    barrier = threading.Event()
    in_threads(lambda _: (found.add(threading.get_ident()), barrier.wait(0.01)), list(range(8)))
    return len(found)


def test_every_engine_is_tested() -> None:
    assert set(ENGINES) == {"serial", "processes", "dask"}


@pytest.mark.parametrize("name", ["processes", "dask"])
def test_equals_serial_bit_for_bit(name: str) -> None:
    shared, items = np.linspace(0.0, 9.0, 1_001), list(range(20))
    expected = dict(SerialEngine().run(scaled, items, shared))
    found = list(engine_of(name).run(scaled, iter(items), shared))
    assert sorted(place for place, _ in found) == items
    assert all(values.tobytes() == expected[place].tobytes() for place, values in found)


@pytest.mark.parametrize("name", ["serial", "processes"])
def test_no_item_is_an_answer(name: str) -> None:
    assert list(engine_of(name).run(scaled, [], np.zeros(1))) == []


def test_items_are_drawn_as_needed() -> None:
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for i in range(50):
            drawn.append(i)
            yield i

    for n_done, _ in enumerate(ProcessEngine(2).run(scaled, items(), np.zeros(1)), start=1):
        assert len(drawn) <= n_done + 2


@pytest.mark.parametrize("n_workers", [1, 2])
@pytest.mark.parametrize("name", ["processes", "dask"])
def test_a_dead_worker_loses_and_doubles_nothing(name: str, n_workers: int, tmp_path: Path) -> None:
    """With a single worker, what is shared dies with it too."""
    found = list(engine_of(name, n_workers).run(dying_once, range(12), str(tmp_path)))
    assert sorted(found) == [(i, i * i) for i in range(12)]
    [again] = tmp_path.glob("done-3-*")
    assert again.name.split("-")[2] != (tmp_path / "died").read_text()


def test_deadly_item_is_given_up_in_one_sentence() -> None:
    with pytest.raises(UsageError, match=rf"{MOST_ATTEMPTS} workers in turn died on part 2"):
        list(ProcessEngine(2).run(dying_always, range(4), None))


def test_a_worker_that_dies_while_it_takes_what_is_shared_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    comm = pytest.importorskip("distributed.comm")
    from gis import engines

    class Breaking:
        """Stands in for a client whose worker is gone ``n_left`` times."""

        def __init__(self, n_left: int) -> None:
            self.n_left = n_left

        def scatter(self, content: list[object], *, hash: bool) -> list[object]:
            if self.n_left:
                self.n_left -= 1
                raise comm.CommClosedError("reset by peer")
            return content

    waited: list[float] = []
    monkeypatch.setattr(engines.time, "sleep", waited.append)
    packed = engines._Packed("digest", b"")
    assert engines._laid_out(Breaking(2), packed) is packed
    assert waited == list(engines._LAYING_WAITS_S[:2])
    with pytest.raises(UsageError, match="die one after the other"):
        engines._laid_out(Breaking(99), packed)


@pytest.mark.slow
def test_deadly_item_is_given_up_by_dask() -> None:
    with pytest.raises(UsageError, match="workers in turn died on part"):
        list(DaskEngine(None, 2).run(dying_always, range(4), None))


@pytest.mark.parametrize("name", ["serial", "processes", "dask"])
def test_error_of_the_work_comes_through(name: str) -> None:
    with pytest.raises(LayerError) as caught:
        list(engine_of(name).run(complaining, range(6), None))
    assert caught.value.message("zh") == "第 2 项有误"


def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    from numba import config
    monkeypatch.setattr(config, "NUMBA_NUM_THREADS", 4)
    assert next(SerialEngine().run(threads_of, [0], None))[1] > 1
    assert next(ProcessEngine(1).run(threads_of, [0], None))[1] == 1


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines.tempfile, "tempdir", str(tmp_path))
    run = ProcessEngine(2).run(scaled, range(50), np.zeros(1))
    next(run)
    assert len(list(tmp_path.glob("*.shared"))) == 1
    run.close()
    assert not list(tmp_path.iterdir())


def test_scheduler_that_runs_elsewhere_is_used() -> None:
    from distributed import LocalCluster
    with LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", scheduler_port=0,
                      dashboard_address="127.0.0.1:0") as cluster:
        engine = engine_named(scheduler_address=cluster.scheduler_address)
        assert isinstance(engine, DaskEngine)
        assert sorted(place for place, _ in engine.run(scaled, range(5), np.ones(2))) == list(range(5))


@pytest.mark.parametrize(("name", "address", "sentence"), [
    ("spark", "", "unknown engine 'spark'; known: serial, processes, dask"),
    ("serial", "tcp://127.0.0.1:1", "engine serial has no scheduler"),
    ("dask", "tcp://127.0.0.1:1", "no Dask scheduler answers at tcp://127.0.0.1:1"),
    ("dask", "nonsense://x", "no Dask scheduler answers at nonsense://x"),
])
def test_what_cannot_work_is_said_beforehand(monkeypatch: pytest.MonkeyPatch, name: str, address: str,
                                             sentence: str) -> None:
    monkeypatch.setattr(engines, "CONNECT_S", 0.3)
    with pytest.raises(UsageError) as caught:
        engine_named(name, address)
    assert sentence in str(caught.value)


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"install suanzhi\[distributed\]"):
        engine_named("dask")


def test_engine_by_name() -> None:
    assert isinstance(engine_named(), SerialEngine)
    assert isinstance(engine_named("processes"), ProcessEngine)


def test_dask_is_not_imported_before_it_is_used() -> None:
    code = ("import sys, gis.engines, siting.study, suanzhi.cli; "
            "assert not {'dask', 'distributed'} & set(sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_error_that_cannot_be_sent_keeps_its_words() -> None:
    class Odd(Exception):  # noqa: N818 - not importable, so not to be pickled
        pass

    found = portable(Odd("what happened"))
    assert "Odd: what happened" in str(found)
    kept = portable(UsageError("a", "b"))
    assert isinstance(kept, SitingToolError)
    assert kept.message("zh") == "b"
