"""A small run of Zhengzhou on its embedded default, and what the tests of packs ask of citations."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from layers.loading import load_layers
from layers.types import CityLayers
from siting.citation import Citation
from siting.city_pack import load_pack
from siting.pack import CityPack
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


@dataclasses.dataclass(frozen=True)
class Cited:
    """Every citation of a pack, wherever it stands."""

    citations: tuple[Citation, ...]

    def of(self, document: str) -> list[Citation]:
        return [c for c in self.citations if c.document == document]

    def missing_pieces(self, document: str) -> list[str]:
        """Return what is quoted from a document and not in it; skip where its text is not beside the project."""
        found = sorted((Path(__file__).resolve().parents[2] / "../shared/seeds").glob(f"{document}_*.txt"))
        if not found:
            pytest.skip(f"the text of document {document} is not beside the project")
        text = _squeezed(found[0].read_text(encoding="utf-8"))
        return [piece for c in self.of(document) for piece in c.quote.split("…") if _squeezed(piece) not in text]


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _citations(value: object) -> Iterator[Citation]:
    if isinstance(value, Citation):
        yield value
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _citations(getattr(value, field.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _citations(item)


@pytest.fixture(scope="module")
def cited(pack: CityPack) -> Cited:
    """Citations of the module's own fixture ``pack``."""
    return Cited(tuple(_citations(pack)))
