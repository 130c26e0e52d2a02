"""How candidates of a study would be supplied: asked for the few that are listed, not for all."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from siting.pack import SiteClass
from siting.power import Feeds, feeds_for, feeds_table, rules_of_class
from siting.types import StudyResult

POWER_COLUMNS = ("load_mva", "supply_voltage_kv", "feed_a_id", "feed_a_distance_m", "feed_b_id", "feed_b_distance_m",
                 "power_limit")
"""What tables of candidates say of their power."""


def feeds_of(result: StudyResult, site_class: SiteClass, rows: ArrayLike) -> tuple[Feeds, gpd.GeoDataFrame] | None:
    """Find the feeds of some candidates for a class, each as if it were alone.

    Returns
    -------
    The feeds, one per row asked for, and the substations that they name; None where there are none.
    """
    asked = np.asarray(rows, dtype=np.int64)
    if not len(asked) or not result.city_layers.has("substations"):
        return None
    substations = result.city_layers.frame("substations")
    shapes = np.asarray(result.candidates.geometry.array, dtype=object)[asked]
    feeds = feeds_for(shapes, site_class.it_load_kw, site_class.pue_max, substations, rules_of_class(site_class))
    return feeds, substations


def power_table(result: StudyResult, site_class: SiteClass, rows: ArrayLike) -> pd.DataFrame:
    """Tabulate ``POWER_COLUMNS`` of some candidates; empty cells where no substation is known."""
    found = feeds_of(result, site_class, rows)
    if found is None:
        return pd.DataFrame({c: np.full(np.size(rows), None, dtype=object) for c in POWER_COLUMNS})
    table = feeds_table(*found)[list(POWER_COLUMNS)]
    return table.assign(load_mva=table["load_mva"].round(3),
                        **{c: table[c].round(1) for c in ("feed_a_distance_m", "feed_b_distance_m")})
