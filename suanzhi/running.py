"""The straight line, from a study to its files."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from gis.engines import Engine
from gis.errors import UsageError
from gis.partitions import ROWS_PER_PARTITION
from layers.cache import remove_parts
from layers.loading import load_layers
from maps.outputs import Written, check_exportable, check_writable, write_outputs
from siting.city_pack import load_pack
from siting.large_study import LARGEST_IN_MEMORY, layer_in_batches, run_large_study
from siting.study import applied, layer_specs, run_study
from siting.study_file import default_study, read_study, read_weights
from siting.types import Study
from suanzhi.console import Console

PARTS_FOLDER = ".parts"
"""Where finished partitions are kept inside the output folder while a run that may be resumed goes on."""


def run_and_write(study_name: str, out: Path | None, n_parcels: int | None, console: Console, *,
                  weights: Path | None = None, engine: Engine | None = None, is_resumable: bool = False,
                  rows_per_partition: int = ROWS_PER_PARTITION, largest_in_memory: int = LARGEST_IN_MEMORY) -> Written:
    """Run the study of that name or file and write its outputs.

    Parameters
    ----------
    study_name
        A city, or a study file.
    out
        Folder to write to; None for ``out/NAME``.
    n_parcels
        Size of the synthetic parcel layer; None for the study's.
    console
        Where progress goes.
    weights
        File of weights that replace those of the study, class by class.
    engine
        Who scores the partitions; this process if None.
    is_resumable
        Keep finished partitions until the outputs are there, and continue from those that are.
    rows_per_partition
        Candidates in a partition, at most.
    largest_in_memory
        Parcels of a GeoParquet file up to which they are held whole; more are read batch by batch.
    """
    study = find_study(study_name, n_parcels)
    if weights is not None:
        own = read_weights(weights)
        kept = tuple(w for w in study.weights if w[0] not in {c for c, _, _ in own})
        study = replace(study, weights=(*kept, *own))
    pack = load_pack(study.city)
    # Wrong weights or an unwritable folder must not cost the user the whole run.
    applied(pack, study)
    folder = out or Path("out") / study.name
    check_writable(folder)
    specs = layer_specs(pack, study)
    large = layer_in_batches(specs, pack, study, largest_in_memory)
    if large is not None:
        check_exportable(large.n_rows)
        specs = tuple(spec for spec in specs if spec != large.spec)
    started = time.perf_counter()
    city_layers = load_layers(specs, metric_crs=pack.metric_crs, n_parcels=study.n_parcels, seed=study.seed,
                              progress=console.progress)
    timings = {"layers": time.perf_counter() - started}
    parts_folder = folder / PARTS_FOLDER
    if not is_resumable:
        remove_parts(parts_folder)
    if large is None:
        if study.candidates == "parcels" and city_layers.has("parcels"):
            check_exportable(len(city_layers.frame("parcels")))
        result, parts = run_study(
            city_layers, pack, study, progress=console.progress, timings_s=timings, engine=engine,
            parts_folder=parts_folder if is_resumable else None, rows_per_partition=rows_per_partition), None
    else:
        found = run_large_study(city_layers, large, pack, study, progress=console.progress, timings_s=timings,
                                engine=engine, parts_folder=parts_folder, rows_per_partition=rows_per_partition,
                                rows_per_batch=4 * rows_per_partition)
        result, parts = found.result, found.parts()
    written = write_outputs(result, folder, language=console.language, progress=console.progress, parts=parts)
    remove_parts(parts_folder)
    return written


def find_study(name: str, n_parcels: int | None) -> Study:
    """Return the study of a file, or the one that runs a city on its embedded default.

    Raises
    ------
    UsageError
        The file is no study, or its name is no folder name.
    """
    study = read_study(Path(name)) if name.endswith(".toml") or Path(name).is_file() else default_study(name)
    if Path(study.name).name != study.name or study.name in ("", ".", ".."):
        raise UsageError(f"study name {study.name!r} must be a plain folder name",
                         f"方案名称 {study.name!r} 必须是普通文件夹名")
    return study if n_parcels is None else replace(study, n_parcels=n_parcels)
