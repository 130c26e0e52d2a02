"""A small run of Zhengzhou on its embedded default, shared by the tests of this room."""

from __future__ import annotations

import pytest

from layers.loading import load_layers
from layers.types import CityLayers
from siting.city_pack import load_pack
from siting.study import layer_specs, run_study
from siting.study_file import default_study
from siting.types import StudyResult


@pytest.fixture(scope="session")
def zhengzhou_layers() -> CityLayers:
    pack, study = load_pack("zhengzhou"), default_study("zhengzhou")
    return load_layers(layer_specs(pack, study), metric_crs=pack.metric_crs, n_parcels=400, seed=study.seed)


@pytest.fixture(scope="session")
def zhengzhou_result(zhengzhou_layers: CityLayers) -> StudyResult:
    return run_study(zhengzhou_layers, load_pack("zhengzhou"), default_study("zhengzhou"))
