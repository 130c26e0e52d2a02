"""How long work tells of its progress: a callable that is passed in."""

from __future__ import annotations

from typing import Protocol

from gis.bilingual import Text


class Progress(Protocol):
    """Called with the step's name, the work done and the work in all."""

    def __call__(self, step: Text, done: int, total: int) -> None:
        """Take note that ``done`` of ``total`` parts of ``step`` are finished."""


def silent(step: Text, done: int, total: int) -> None:
    """Take no note."""
