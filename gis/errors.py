"""Every error that a user can cause, each with its exit code.

::

    SitingToolError (1)
    ├── UsageError (2)            a wrong argument, option or study file
    ├── DataError (3)
    │   ├── CrsError              coordinates that cannot be placed
    │   │   └── DatumError        a layer whose datum nobody declared
    │   ├── SchemaError           columns, types or geometries that a layer lacks
    │   └── LayerError            a layer that cannot be read
    │       ├── LayerNotFoundError
    │       └── LayerUnavailableError
    ├── PackError (4)             a city pack that is unknown or broken
    ├── InfeasibleError (5)       a question without an answer
    └── ExportError (6)           an output that cannot be written

A message says what is wrong, where, and the remedy, in both languages.
"""

from __future__ import annotations

from typing import ClassVar

from gis.bilingual import Language, Text


class SitingToolError(Exception):
    """Root of all errors of the product.

    Parameters
    ----------
    en, zh
        The sentence in English and in Chinese.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, en: str, zh: str) -> None:
        # Both go through args, so that the error survives pickling from a worker.
        super().__init__(en, zh)
        self.text = Text(zh=zh, en=en)

    def message(self, language: Language) -> str:
        """Return the sentence in ``language``."""
        return self.text.to(language)

    def __str__(self) -> str:
        return self.text.en


class UsageError(SitingToolError):
    """A wrong argument, option or study file."""

    exit_code = 2


class DataError(SitingToolError):
    """Input data that cannot be used."""

    exit_code = 3


class CrsError(DataError):
    """Coordinates that cannot be placed on the ground."""


class DatumError(CrsError):
    """A layer whose datum is unknown."""


class SchemaError(DataError):
    """A layer without the columns, types or geometries that it needs."""


class LayerError(DataError):
    """A layer that cannot be read."""


class LayerNotFoundError(LayerError):
    """A layer whose file or table is not there."""


class LayerUnavailableError(LayerError):
    """A layer whose source cannot serve it here (a missing package, no service)."""


class PackError(SitingToolError):
    """A city pack that is unknown or broken."""

    exit_code = 4


class InfeasibleError(SitingToolError):
    """A question that has no answer under its constraints."""

    exit_code = 5


class ExportError(SitingToolError):
    """An output that cannot be written."""

    exit_code = 6
