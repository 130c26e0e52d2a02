"""The rows of one source on their way in, none of them lost from the account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gis.bilingual import Text
from layers.types import Ledger, Remark

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, kw_only=True)
class Intake:
    """Rows still in the race, and what became of the others.

    The index of ``frame`` is the row number in the source from 0; it is kept until the last step,
    so that every remark can name its row.
    """

    frame: gpd.GeoDataFrame
    """Rows still in."""

    n_read: int
    """Rows in the source."""

    id_column: str
    """Column that names a row, where it is there."""

    left_out: tuple[Remark, ...] = ()
    """Rows that the reader itself left out."""

    rejected: Mapping[int, Remark] = field(default_factory=dict)
    """Rows rejected since, by row number."""

    repairs: Mapping[int, tuple[Text, ...]] = field(default_factory=dict)
    """What was repaired, by row number; it does not count for a row that is rejected after all."""

    def with_frame(self, frame: gpd.GeoDataFrame) -> Intake:
        """Return the intake with other columns or geometries for the same rows.

        Raises
        ------
        ValueError
            ``frame`` has not the same rows.
        """
        if not frame.index.equals(self.frame.index):
            raise ValueError("the rows of an intake leave only through reject")
        return replace(self, frame=frame)

    def reject(self, mask: Mask, reasons: Text | Sequence[Text]) -> Intake:
        """Take the rows of ``mask`` out.

        Parameters
        ----------
        mask
            Shape (rows of ``frame``,).
        reasons
            One for all of them, or one for each.
        """
        if not mask.any():
            return self
        rows = self.frame.index[mask]
        remarks = {int(row): Remark(name, "rejected", reason)
                   for row, name, reason in zip(rows, self.names(mask), _each(reasons, len(rows)), strict=True)}
        return replace(self, frame=self.frame[~mask], rejected={**self.rejected, **remarks})

    def repair(self, mask: Mask, reasons: Text | Sequence[Text]) -> Intake:
        """Note that the rows of ``mask`` are used after a repair; see :meth:`reject`."""
        if not mask.any():
            return self
        repairs = dict(self.repairs)
        rows = self.frame.index[mask]
        for row, reason in zip(rows, _each(reasons, len(rows)), strict=True):
            repairs[int(row)] = (*repairs.get(int(row), ()), reason)
        return replace(self, repairs=repairs)

    def names(self, mask: Mask) -> list[str]:
        """Name the rows of ``mask`` by id, or by row number counted from 1 as in ``#12``."""
        rows = [f"#{row + 1}" for row in self.frame.index[mask]]
        if self.id_column not in self.frame.columns:
            return rows
        ids = self.frame[self.id_column][mask]
        return [row if pd.isna(name) else str(name) for row, name in zip(rows, ids, strict=True)]

    def ledger(self) -> Ledger:
        """Return the account of every row: those left out by the reader, then the others by row."""
        is_repaired = np.asarray(self.frame.index.isin(list(self.repairs)), dtype=bool)
        rows = [int(row) for row in self.frame.index[is_repaired]]
        repaired = {row: Remark(name, "repaired", _joined(self.repairs[row]))
                    for row, name in zip(rows, self.names(is_repaired), strict=True)}
        by_row = sorted({**self.rejected, **repaired}.items())
        return Ledger(
            read=self.n_read, accepted=len(self.frame) - len(repaired), repaired=len(repaired),
            rejected=len(self.left_out) + len(self.rejected),
            remarks=(*self.left_out, *(remark for _, remark in by_row)),
        )


def _each(reasons: Text | Sequence[Text], n: int) -> Sequence[Text]:
    return [reasons] * n if isinstance(reasons, Text) else reasons


def _joined(texts: tuple[Text, ...]) -> Text:
    return Text(zh="；".join(text.zh for text in texts), en="; ".join(text.en for text in texts))
