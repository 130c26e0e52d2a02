"""``ledger.csv``: every row of a layer that was repaired or rejected, and every odd one, with its reason."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from layers.exports.tables import write_csv
from layers.types import CityLayers
from maps.manifest import file_name

LEDGER_FILE = "ledger.csv"
"""Name of the table beside the manifest."""

COLUMNS = ("layer", "source", "file", "feature_id", "action", "reason", "reason_en")
"""Its columns; ``reason`` is Chinese."""


def ledger_table(city_layers: CityLayers) -> pd.DataFrame:
    """Return one row per repaired, rejected or noted row, by layer and source in reading order.

    Parameters
    ----------
    city_layers
        Layers of a run.

    Returns
    -------
    pandas.DataFrame
        Columns ``COLUMNS``, all text. ``file`` is the name alone: where a file lies is nobody's business.
    """
    rows = [
        (p.layer, p.source, file_name(p.path), remark.feature_id, remark.action, remark.reason.zh, remark.reason.en)
        for p in city_layers.provenance for remark in (*p.ledger.remarks, *p.ledger.notes)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)


def write_ledger(city_layers: CityLayers, path: Path | str) -> Path:
    """Write the account of every row that was not accepted as it came, or is odd, as CSV for Excel.

    Parameters
    ----------
    city_layers
        Layers of a run.
    path
        The file to write.

    Returns
    -------
    Path
        The file written; with its heading alone where nothing is to be told.

    Raises
    ------
    ExportError
        The file cannot be written.
    """
    return write_csv(ledger_table(city_layers), path)
