"""Processes on this machine that serve one item at a time."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


class Worker:
    """A process that serves one item at a time through a pipe."""

    def __init__(self, path: Path) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.pipe, theirs = spawn.Pipe()
        self.process = spawn.Process(target=_serve, args=(theirs, str(path)), daemon=True)
        self.process.start()
        # With our copy closed, the death of the process is the end of the pipe.
        theirs.close()

    def give(self, item: object) -> None:
        """Hand over an item; a process that has died meanwhile shows when its answer is read."""
        with suppress(OSError):
            self.pipe.send(item)

    def end(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.join()
        self.process.close()
        self.pipe.close()


def _serve(pipe: Connection, path: str) -> None:
    """Answer items until the other end of the pipe is closed."""
    # Ctrl-C is for the parent, which ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work_with_one_thread()
    job: tuple[Callable[[Any, Any], object], object] | None = None
    while True:
        try:
            item = pipe.recv()
        except EOFError:
            return
        try:
            job = job or pickle.loads(Path(path).read_bytes())
            answer: tuple[bool, object] = (True, job[0](job[1], item))
        except Exception as error:
            answer = (False, portable(error))
        pipe.send(answer)


def portable(error: Exception) -> Exception:
    """Return the error, or one of the same words where it cannot be sent, with where it was raised."""
    trace = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(trace)
    return error


@contextmanager
def in_file(content: object) -> Iterator[Path]:
    """Keep something in a file that only this user can read."""
    handle, name = tempfile.mkstemp(prefix="suanzhi-", suffix=".shared")
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            pickle.dump(content, file, protocol=pickle.HIGHEST_PROTOCOL)
        yield path
    finally:
        path.unlink(missing_ok=True)


def work_with_one_thread() -> None:
    """Keep a worker to one thread: its neighbours have the other cores."""
    os.environ["NUMBA_NUM_THREADS"] = "1"
    from numba import config

    config.NUMBA_NUM_THREADS = 1
