"""One run of Zhengzhou, written once as text and once as a study too large for text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the folders of a study and of the same one with its parcels as Parquet."""
    pytest.importorskip("pyarrow")
    from layers.loading import load_layers
    from maps.outputs import write_outputs
    from siting.city_pack import load_pack
    from siting.study import layer_specs, run_study
    from siting.study_file import default_study

    pack, study = load_pack("zhengzhou"), replace(default_study("zhengzhou"), n_parcels=200)
    city_layers = load_layers(layer_specs(pack, study), metric_crs=pack.metric_crs, n_parcels=200, seed=study.seed)
    result = run_study(city_layers, pack, study)
    folder = tmp_path_factory.mktemp("written")
    write_outputs(result, folder / "small")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("maps.exported_layers.LARGEST_GEOJSON", 100)
        write_outputs(result, folder / "large")
    return folder / "small", folder / "large"


@pytest.fixture(scope="session")
def finished(written: tuple[Path, Path]) -> Path:
    """Return the folder of a finished study; tests leave it as it is, but for what they export into it."""
    return written[0]


@pytest.fixture(scope="session")
def finished_large(written: tuple[Path, Path]) -> Path:
    """Return the folder of the same study with its parcels as Parquet."""
    return written[1]
