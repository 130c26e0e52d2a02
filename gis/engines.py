"""Who does the work on many items: this process, processes on this machine, or a Dask cluster.

An engine is handed a function, the items, and what all items share. The function is told the same
whatever the engine, so the answers are the same to the last bit; only their order differs. Items are
drawn as they are needed, a few per worker, so that a stream of any length passes through bounded
memory. What is shared goes to each worker once. A worker that dies takes no item with it: the item is
given to another, up to ``MOST_ATTEMPTS`` times.

``dask`` and ``distributed`` are imported in this module alone, and only by :class:`DaskEngine`. Add an
engine as a class and a line of ``ENGINES``.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pickle
import signal
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, wait
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from gis._engine_workers import Worker, in_file, work_with_one_thread
from gis.errors import UsageError

if TYPE_CHECKING:
    from distributed import Client, Future

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_ATTEMPTS = 3
"""How often one item is tried where workers die on it."""

CONNECT_S = 5.0
"""How long a scheduler may take to answer."""

_LAYING_WAITS_S = (0.2, 0.5, 1.0, 2.0)
"""Waits between attempts to lay what is shared on a worker: by then a dead one is known to be dead."""


class Engine(Protocol):
    """One way of doing the same work on many items."""

    def run(self, work: Callable[[Shared, Item], Result], items: Iterable[Item],
            shared: Shared) -> Generator[tuple[int, Result]]:
        """Do the work on every item.

        Parameters
        ----------
        work
            Called as ``work(shared, item)``, once for each item whose answer is kept; a function of a
            module, which every worker can import.
        items
            Drawn as they are needed.
        shared
            The same for all items, and not changed.

        Yields
        ------
        tuple
            Place of the item among the items, from 0, and what came of it; in any order, each place once.

        Raises
        ------
        UsageError
            The engine cannot work here, or its workers die again and again on one item.
        Exception
            Whatever the work raised.
        """
        ...


class SerialEngine:
    """Does one item after another in this process, whose numerical code uses all its threads."""

    def run(self, work: Callable[[Shared, Item], Result], items: Iterable[Item],
            shared: Shared) -> Generator[tuple[int, Result]]:
        """Do the work on every item, in order (see :class:`Engine`)."""
        for place, item in enumerate(items):
            yield place, work(shared, item)


@dataclass(frozen=True, slots=True)
class _Task:
    """One item on its way."""

    place: int
    item: Any
    n_attempts: int = 1


class ProcessEngine:
    """Does items in several processes on this machine.

    Processes are started afresh ("spawn"), since threads and locks do not survive a fork; what is shared
    is written once to a temporary file that each of them reads. Each process works with one thread.

    Parameters
    ----------
    n_workers
        How many processes; None for one for each core that this process may use.
    """

    def __init__(self, n_workers: int | None = None) -> None:
        self.n_workers = n_workers or _n_cores()

    def run(self, work: Callable[[Shared, Item], Result], items: Iterable[Item],
            shared: Shared) -> Generator[tuple[int, Result]]:
        """Do the work on every item, in any order (see :class:`Engine`)."""
        waiting = (_Task(place, item) for place, item in enumerate(items))
        again: deque[_Task] = deque()
        idle: list[Worker] = []
        busy: dict[Connection, tuple[Worker, _Task]] = {}
        with in_file((work, shared)) as path:
            try:
                while True:
                    while len(busy) < self.n_workers and (task := again.popleft() if again else next(waiting, None)):
                        worker = idle.pop() if idle else Worker(path)
                        worker.give(task.item)
                        busy[worker.pipe] = (worker, task)
                    if not busy:
                        return
                    answered = wait(list(busy))
                    for pipe in [pipe for pipe in busy if pipe in answered]:
                        worker, task = busy.pop(pipe)
                        try:
                            is_done, answer = worker.pipe.recv()
                        except (EOFError, OSError):
                            worker.end()
                            again.append(_once_more(task, "processes"))
                            continue
                        idle.append(worker)
                        if not is_done:
                            raise answer
                        yield task.place, answer
            finally:
                for worker in (*idle, *(worker for worker, _ in busy.values())):
                    worker.end()


class DaskEngine:
    """Does items on a Dask cluster: one that runs already, or processes on this machine.

    Plain futures, no collections: an item travels with its task through the scheduler, which keeps it
    until it is done, so that no death of a worker can lose one. What is shared is packed once and handed to
    one worker; the others fetch it from each other with their first task and unpack it once, and it is
    handed out again should all copies be lost. (A broadcast waits for every worker and does not end when
    one of them dies meanwhile.) Each task works with one thread: a cluster's slots are its parallelism.

    Parameters
    ----------
    scheduler_address
        Such as ``tcp://10.0.0.5:8786``; None for workers on this machine.
    n_workers
        How many workers on this machine; None for one for each core.

    Raises
    ------
    UsageError
        ``distributed`` is not installed.
    """

    def __init__(self, scheduler_address: str | None = None, n_workers: int | None = None) -> None:
        if importlib.util.find_spec("distributed") is None:
            raise UsageError("engine dask needs the package distributed; install suanzhi[distributed], or use "
                             "--engine processes",
                             "dask 引擎需要 distributed 包；请安装 suanzhi[distributed]，或改用 --engine processes")
        self.scheduler_address = scheduler_address
        self.n_workers = n_workers or _n_cores()

    def check(self) -> None:
        """Make sure, before the long work, that the scheduler answers and has a worker.

        Raises
        ------
        UsageError
            It does not, or has none.
        """
        if self.scheduler_address:
            with self._client():
                pass

    def run(self, work: Callable[[Shared, Item], Result], items: Iterable[Item],
            shared: Shared) -> Generator[tuple[int, Result]]:
        """Do the work on every item, in any order (see :class:`Engine`)."""
        import dask

        # An item is meant to travel with its task; its size is the caller's choice and no oversight.
        with self._client() as client, dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
            yield from _by_futures(client, work, items, shared)

    @contextmanager
    def _client(self) -> Iterator[Client]:
        """Open a client to the scheduler that was named, or to one of our own."""
        from distributed import Client, LocalCluster

        if not self.scheduler_address:
            own = {"n_workers": self.n_workers, "threads_per_worker": 1, "host": "127.0.0.1", "scheduler_port": 0,
                   "dashboard_address": "127.0.0.1:0", "silence_logs": "CRITICAL"}
            with tempfile.TemporaryDirectory(prefix="suanzhi-dask-", ignore_cleanup_errors=True) as folder:
                with _interrupts_ignored():
                    cluster = LocalCluster(**own, local_directory=folder)
                with cluster, Client(cluster, set_as_default=False) as client:
                    yield client
            return
        try:
            client = Client(self.scheduler_address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"no Dask scheduler answers at {self.scheduler_address} ({type(error).__name__}); check the address "
                "and that it runs",
                f"{self.scheduler_address} 没有 Dask 调度器应答（{type(error).__name__}）；请核对地址并确认其正在运行",
            ) from error
        with client:
            try:
                client.wait_for_workers(1, timeout=CONNECT_S)
            except TimeoutError as error:
                raise UsageError(f"the Dask scheduler at {self.scheduler_address} has no worker; start one",
                                 f"{self.scheduler_address} 的 Dask 调度器没有工作进程；请先启动") from error
            yield client


def _by_futures(client: Client, work: Callable[[Shared, Item], Result], items: Iterable[Item],
                shared: Shared) -> Generator[tuple[int, Result]]:
    """Keep two tasks under way for each slot of the cluster."""
    from distributed import KilledWorker, as_completed

    waiting = (_Task(place, item) for place, item in enumerate(items))
    under_way: dict[str, _Task] = {}
    content = pickle.dumps(shared, protocol=pickle.HIGHEST_PROTOCOL)
    packed = _Packed(hashlib.sha256(content).hexdigest(), content)
    scattered = _laid_out(client, packed)

    def submitted(task: _Task) -> Future[Any]:
        future = client.submit(_one_task, work, scattered, task.item, pure=False)
        under_way[future.key] = task
        return future

    n_slots = max(sum(client.nthreads().values()), 1)
    done = as_completed([submitted(task) for task in islice(waiting, 2 * n_slots)], loop=client.loop)
    for future in done:
        task = under_way.pop(future.key)
        try:
            result = future.result()
        except (KilledWorker, CancelledError):
            # With the last worker that held it, what is shared was lost too.
            task = _once_more(task, "dask")
            scattered = _laid_out(client, packed)
            done.add(submitted(task))
            continue
        if (following := next(waiting, None)) is not None:
            done.add(submitted(following))
        yield task.place, result


def _laid_out(client: Client, packed: _Packed) -> Future[Any]:
    """Lay what is shared on a worker. One that dies while it takes it is passed over for another."""
    from distributed.comm import CommClosedError

    for wait_s in _LAYING_WAITS_S:
        try:
            return client.scatter([packed], hash=False)[0]
        except CommClosedError:
            time.sleep(wait_s)
    raise UsageError("the workers of the Dask cluster die one after the other before they get any work; look at their "
                     "logs and memory",
                     "Dask 集群的工作进程尚未开始计算便相继退出；请检查其日志与内存")


@dataclass(frozen=True, slots=True)
class _Packed:
    """What is shared, as bytes: it travels as it is, and is unpacked once in each process."""

    digest: str
    content: bytes


_unpacked: dict[str, Any] = {}


def _shared_of(packed: _Packed) -> Any:
    if packed.digest not in _unpacked:
        # A worker serves one run at a time; what an older one shared is let go.
        _unpacked.clear()
        _unpacked[packed.digest] = pickle.loads(packed.content)
    return _unpacked[packed.digest]


def _one_task(work: Callable[[Any, Item], Result], packed: _Packed, item: Item) -> Result:
    work_with_one_thread()
    return work(_shared_of(packed), item)


def _once_more(task: _Task, engine: str) -> _Task:
    """Return the task for another attempt.

    Raises
    ------
    UsageError
        It was tried often enough.
    """
    if task.n_attempts >= MOST_ATTEMPTS:
        raise UsageError(
            f"engine {engine}: {MOST_ATTEMPTS} workers in turn died on part {task.place + 1}, as when memory runs out; "
            "give each worker more memory, or use --engine serial",
            f"引擎 {engine}：先后 {MOST_ATTEMPTS} 个工作进程在第 {task.place + 1} 部分终止，常因内存不足；"
            "请为每个工作进程增加内存，或改用 --engine serial")
    return _Task(task.place, task.item, task.n_attempts + 1)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Let processes that are started meanwhile ignore Ctrl-C for good: it is for the parent, which ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _n_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


ENGINES: Mapping[str, Callable[[], Engine]] = MappingProxyType(
    {"serial": SerialEngine, "processes": ProcessEngine, "dask": DaskEngine})
"""Every engine by its name."""


def engine_named(name: str = "", scheduler_address: str = "") -> Engine:
    """Return an engine that is able to work.

    Parameters
    ----------
    name
        A key of ``ENGINES``; empty for ``dask`` where a scheduler is named, else for ``serial``.
    scheduler_address
        Scheduler of a Dask cluster; empty for none.

    Raises
    ------
    UsageError
        There is no such engine, it has no scheduler, a package is missing, or the scheduler does not answer.
    """
    chosen = name or ("dask" if scheduler_address else "serial")
    if chosen not in ENGINES:
        raise UsageError(f"unknown engine {chosen!r}; known: {', '.join(ENGINES)}",
                         f"未知引擎 {chosen!r}；可用：{'、'.join(ENGINES)}")
    if scheduler_address and chosen != "dask":
        raise UsageError(f"engine {chosen} has no scheduler; use --engine dask, or leave --scheduler out",
                         f"{chosen} 引擎没有调度器；请使用 --engine dask，或去掉 --scheduler")
    if not scheduler_address:
        return ENGINES[chosen]()
    engine = DaskEngine(scheduler_address)
    engine.check()
    return engine
