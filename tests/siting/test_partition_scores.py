"""Partitions change nothing: the same bits in one piece, in many, in processes, on Dask, and with a dead worker."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from geopandas.testing import assert_geodataframe_equal

from gis.engines import DaskEngine, Engine, ProcessEngine, SerialEngine
from gis.partitions import partitions_of
from layers.types import CityLayers
from siting.city_pack import load_pack
from siting.pack import Criterion
from siting.partition_scores import ScoringJob, score_partition, score_partitions, scoring_job
from siting.permissions import Permissions
from siting.study import run_study
from siting.study_file import default_study
from siting.types import StudyResult

PACK = load_pack("zhengzhou")
STUDY = default_study("zhengzhou")
ARRAYS = ("raw", "score", "rank", "data_coverage")


def kill_once(shared: tuple[str, ScoringJob], candidates: gpd.GeoDataFrame) -> object:
    """Die on the first partition that comes after another is finished; else score."""
    folder, job = shared
    done, died = Path(folder) / "done", Path(folder) / "died"
    if done.exists() and not died.exists():
        died.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    found = score_partition(job, candidates)
    done.write_text("")
    return found


class Murdered:
    """An engine of which one worker is killed while it works."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder = engine, folder

    def run(self, work: Callable[..., Any], items: Iterable[Any], shared: Any) -> Generator[tuple[int, Any]]:
        """Do the work."""
        assert work is score_partition
        yield from self.engine.run(kill_once, items, (str(self.folder), shared))
        assert (self.folder / "died").exists()


def assert_same(one: StudyResult, other: StudyResult) -> None:
    for a, b in zip(one.scores, other.scores, strict=True):
        for name in ARRAYS:
            assert getattr(a, name).tobytes() == getattr(b, name).tobytes(), (a.site_class.class_id, name)
        for name in ("measured", "shortfall", "excludes"):
            assert getattr(a.exclusions, name).tobytes() == getattr(b.exclusions, name).tobytes(), name
        assert list(a.permissions) == list(b.permissions)
    assert_geodataframe_equal(one.candidates, other.candidates)
    assert one.facts == other.facts
    assert one.census == other.census


ENGINES: dict[str, Callable[[Path], Engine]] = {
    "serial": lambda folder: SerialEngine(),
    "dask": lambda folder: DaskEngine(None, 2),
    "processes, one killed": lambda folder: Murdered(ProcessEngine(2), folder),
    "dask, one killed": lambda folder: Murdered(DaskEngine(None, 2), folder),
}


@pytest.mark.parametrize("name", ENGINES)
def test_bit_identical_whoever_works(zhengzhou_layers: CityLayers, zhengzhou_result: StudyResult, name: str,
                                     tmp_path: Path) -> None:
    found = run_study(zhengzhou_layers, PACK, STUDY, engine=ENGINES[name](tmp_path), rows_per_partition=70)
    assert_same(found, zhengzhou_result)


def test_rasters_in_files_and_odd_rows_are_the_same_in_parts(zhengzhou_layers: CityLayers, tmp_path: Path) -> None:
    """Windows of a file that must be moved into another CRS; parcels outside every unit, parcels that overlap."""
    import rasterio

    dem = zhengzhou_layers.rasters["dem"]
    values, transform = dem.read()
    with rasterio.open(tmp_path / "dem.tif", "w", driver="GTiff", width=values.shape[1], height=values.shape[0],
                       count=1, dtype="float64", crs=dem.crs, transform=transform, nodata=-9999.0) as file:
        file.write(np.where(np.isnan(values), -9999.0, values), 1)
    with rasterio.open(tmp_path / "dem.tif") as source:
        from rasterio.vrt import WarpedVRT
        with WarpedVRT(source, crs="EPSG:4326") as moved:
            profile = moved.profile | {"driver": "GTiff"}
            with rasterio.open(tmp_path / "degrees.tif", "w", **profile) as file:
                file.write(moved.read())
    from gis.rasters import raster_from_file
    rasters = {**zhengzhou_layers.rasters, "dem": raster_from_file(tmp_path / "degrees.tif", dem.crs, unit="m")}
    parcels = zhengzhou_layers.frame("parcels").iloc[:120].copy()
    west, south, *_ = zhengzhou_layers.area_of_interest.bounds
    parcels.loc[3, "geometry"] = shapely.box(west - 900.0, south - 900.0, west - 100.0, south - 100.0)
    parcels.loc[4, "geometry"] = parcels.geometry[5]
    layers = replace(zhengzhou_layers, rasters=rasters, frames={**zhengzhou_layers.frames, "parcels": parcels})
    one, many = (run_study(layers, PACK, replace(STUDY, classes=("large",)), rows_per_partition=rows)
                 for rows in (1_000, 7))
    assert_same(one, many)
    slope = [c.criterion_id for c in one.scores[0].criteria].index("slope_percent")
    assert np.isfinite(one.scores[0].raw[:, slope]).sum() > 100
    assert one.candidates["unit_id"][3] == ""
    assert one.scores[0].permissions[3] is None


def buildings_of(parcels: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    middle = parcels.geometry.representative_point()
    return gpd.GeoDataFrame({"building_id": [f"b{i}" for i in range(len(parcels))],
                             "floor_area_m2": np.linspace(0.1, 900.7, len(parcels)), "certainty": "real"},
                            geometry=middle.buffer(3.0), crs=parcels.crs)


def with_floor(layers: CityLayers, parcels: gpd.GeoDataFrame) -> np.ndarray:
    """Return the reusable floor of the first class that asks for it."""
    own = replace(layers, frames={**layers.frames, "parcels": parcels,
                                  "buildings": buildings_of(layers.frame("parcels"))})
    criterion = PACK.criteria_for("large")[0]
    asked: Criterion = replace(criterion, criterion_id="reusable_building_area_m2", worst=0.0, best=9.0, unit="m2",
                               objective="MAX", weight=0.0)
    pack = replace(PACK, criteria=(*(c for c in PACK.criteria if c.criterion_id != asked.criterion_id), asked))
    scores = run_study(own, pack, replace(STUDY, classes=("large",)), rows_per_partition=50).scores[0]
    return scores.raw[:, [c.criterion_id for c in scores.criteria].index(asked.criterion_id)]


def test_floor_is_what_the_parcel_states_else_what_stands_on_it(zhengzhou_layers: CityLayers) -> None:
    """One parcel's statement must not decide how another is measured: partitions could not agree."""
    parcels = zhengzhou_layers.frame("parcels").assign(building_area_m2=np.nan)
    standing = buildings_of(parcels)["floor_area_m2"].to_numpy()
    parcels.loc[10, "building_area_m2"] = 77.0
    parcels.loc[11, "geometry"] = parcels.geometry[12]
    found = with_floor(zhengzhou_layers, parcels)
    assert found[10] == 77.0
    assert found[20] == standing[20]
    assert found[11] == found[12] == standing[12]


class Refusing:
    """An engine that has nothing to do."""

    def run(self, work: Any, items: Iterable[Any], shared: Any) -> Generator[tuple[int, Any]]:
        """Refuse any item."""
        assert not list(items)
        yield from ()


def test_finished_partitions_are_not_scored_again(zhengzhou_layers: CityLayers, zhengzhou_result: StudyResult,
                                                  tmp_path: Path) -> None:
    run_study(zhengzhou_layers, PACK, STUDY, rows_per_partition=70, parts_folder=tmp_path)
    assert len(list(tmp_path.glob("*/*.part"))) == 6
    again = run_study(zhengzhou_layers, PACK, STUDY, rows_per_partition=70, parts_folder=tmp_path, engine=Refusing())
    assert_same(again, zhengzhou_result)
    other = replace(STUDY, mitigations=(("GB-A-motorway", "x"),))
    with pytest.raises(AssertionError):
        run_study(zhengzhou_layers, PACK, other, rows_per_partition=70, parts_folder=tmp_path, engine=Refusing())


def test_parcels_stay_where_they_are(zhengzhou_layers: CityLayers, zhengzhou_result: StudyResult) -> None:
    job = scoring_job(zhengzhou_layers, zhengzhou_result.units, PACK, STUDY, ("large",))
    assert "parcels" not in job.city_layers.frames
    assert job.infrastructure.features("roads") is job.infrastructure.features("roads")
    sent = pickle.loads(pickle.dumps(job))
    assert "infrastructure" not in sent.__dict__
    rows = partitions_of(np.asarray(zhengzhou_result.candidates.geometry.array), 100)
    parts = list(score_partitions(sent, zhengzhou_result.candidates, rows, SerialEngine()))
    assert [number for number, _ in parts] == [0, 1, 2, 3]
    assert all(len(values) == 100 for _, columns in parts for values in columns.values())


def test_permissions_are_a_sequence(zhengzhou_result: StudyResult) -> None:
    permissions = zhengzhou_result.scores[0].permissions
    assert isinstance(permissions, Permissions)
    plain = [permissions[i] for i in range(len(permissions))]
    assert list(permissions) == plain
    assert list(permissions[3:9]) == plain[3:9]
    mixed = Permissions.of([None, plain[0], None, plain[1], plain[0]])
    assert list(mixed) == [None, plain[0], None, plain[1], plain[0]]
    assert mixed.looked_up([2.0, 3.0][:len(mixed.table)], missing=-1.0)[0] == -1.0
    for permission, zone in zip(plain, zhengzhou_result.candidates["zone_id"], strict=True):
        assert permission is None if zone == "" else permission is not None and permission.zone_id == zone
