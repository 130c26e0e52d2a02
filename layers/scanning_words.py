"""What planners call layers and columns, from ``field_synonyms.toml``."""

from __future__ import annotations

import itertools
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from layers.types import CERTAINTIES, Certainty

_TABLE = Path(__file__).with_name("field_synonyms.toml")
_BRACKETS = re.compile(r"[(\[（【].*?[)\]）】]")
_LATIN = re.compile(r"[a-z0-9]+")
_VOLTAGE = re.compile(r"(\d{2,4})\s*kv", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LayerWords:
    """What may stand for one layer."""

    tokens: tuple[str, ...]
    """Words in the name of a file, table or folder."""

    fields: Mapping[str, tuple[str, ...]]
    """Our column and the names that files give it, normalised by :func:`plain`."""

    names: tuple[str, ...]
    """Ends of the names of its features."""

    constants: Mapping[str, Mapping[str, tuple[str, ...]]]
    """Our column, our word, and the words in a file's name that settle it."""


def plain(word: str) -> str:
    """Return a column name without case, blanks, underlines and what stands in brackets."""
    text = unicodedata.normalize("NFKC", word).lower()
    return re.sub(r"[\s_\-./]+", "", _BRACKETS.sub("", text)) or re.sub(r"\s+", "", text)


def words_of(layer: str) -> LayerWords:
    """Return the words of one layer; none for a layer that the table does not have."""
    return _layers().get(layer, LayerWords((), {}, (), {}))


def common_words(kind: str) -> tuple[str, ...]:
    """Return the column names of any layer for ``name`` or ``id``."""
    return tuple(plain(word) for word in _raw()["common"][kind])


def coordinate_words() -> tuple[tuple[str, str], ...]:
    """Return the pairs of column names that may hold coordinates, the surest first."""
    lon, lat = (tuple(plain(word) for word in _raw()["coordinates"][key]) for key in ("lon", "lat"))
    kindred = [(east, north) for east in lon for north in lat if _kin(east) == _kin(north)]
    return tuple(dict.fromkeys([*kindred, *((east, north) for east in lon for north in lat)]))


def tokens_in(text: str, tokens: Iterable[str]) -> list[str]:
    """Return which tokens a name holds: Chinese ones anywhere, Latin ones as whole words."""
    folded = unicodedata.normalize("NFKC", text).lower()
    latin = _LATIN.findall(folded)
    joined = {first + second for first, second in itertools.pairwise(latin)}
    # A file name such as hvSubstations2017 has its words grown together with digits.
    bare = {re.sub(r"\d+$", "", word) for word in latin}
    there = {*latin, *joined, *bare}
    return [token for token in tokens if (token in there if token.isascii() else token in folded)]


def certainty_in(text: str) -> Certainty:
    """Return the certainty that a file's name claims; ``real`` where it claims none."""
    for certainty in reversed(CERTAINTIES):
        if tokens_in(text, _raw()["certainty"].get(certainty, ())):
            return certainty
    return "real"


def voltage_in(text: str) -> float | None:
    """Return the one voltage in kV that a name states; None for none and for several."""
    found = {float(number) for number in _VOLTAGE.findall(unicodedata.normalize("NFKC", text))}
    return found.pop() if len(found) == 1 else None


def _kin(word: str) -> str:
    """Return what a name of a longitude shares with that of its latitude."""
    for east, north in (("longitude", "latitude"), ("lon", "lat"), ("lng", "lat"), ("long", "lat"), ("经", "纬"),
                        ("东经", "北纬"), ("jd", "wd"), ("横", "纵"), ("easting", "northing"), ("x", "y")):
        if word.endswith((east, north)) or word.startswith((east, north)):
            return f"{east}:{word.replace(east, '').replace(north, '')}"
    return word


@cache
def _raw() -> Mapping[str, Any]:
    return MappingProxyType(tomllib.loads(_TABLE.read_text(encoding="utf-8")))


@cache
def _layers() -> Mapping[str, LayerWords]:
    return MappingProxyType({
        layer: LayerWords(
            tokens=tuple(given["tokens"]), names=tuple(given.get("names", ())),
            fields={column: tuple(plain(word) for word in words) for column, words in given.get("fields", {}).items()},
            constants={column: {ours: tuple(words) for ours, words in table.items()}
                       for column, table in given.get("constants", {}).items()})
        for layer, given in _raw()["layers"].items()})
