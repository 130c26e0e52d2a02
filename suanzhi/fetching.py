"""Fetches a city's layers from a live server into a local store, and writes the study that uses them offline.

This is the only command that goes online. What it leaves behind is a folder that can be carried into a network without
internet: GeoPackages, the provenance of each, and ``study.toml``.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gis.bilingual import Language, Text
from gis.errors import UsageError
from gis.rasters import Bounds
from layers.exports.files import write_text
from layers.loading import load_layers
from layers.schemas import LAYERS
from layers.sources.osm_live import Manners, Overpass, shown
from layers.sources.osm_shapes import window_around
from layers.sources.osm_store import StoredLayer, stored_layers, write_layer
from layers.sources.osm_tags import known_layers
from layers.sources.osm_tiles import TileStore
from siting.city_pack import load_pack
from siting.pack import CityPack
from suanzhi import __version__
from suanzhi.console import Console
from suanzhi.initialising import FILE_NAME, toml

STORE = "osm"
"""Folder of the layers inside that of the study."""

CACHE = ".tiles"
"""Folder of the tiles inside that of the study, unless another is named."""

USER_AGENT = f"suanzhi/{__version__} (siting of data centres; a study of one city)"
MARGIN_KM = 20.0

_AREA_LAYERS = ("districts", "zones")
_SEAL = "# sha256: "
_HEAD = (
    Text(zh="由 suanzhi fetch 生成；改动本文件后不会再被覆盖。可离线运行：suanzhi run study.toml",
         en="Written by suanzhi fetch; once changed it is not overwritten. It runs offline: suanzhi run study.toml"),
    Text(zh="数据 © OpenStreetMap contributors，ODbL 1.0：成果须保留署名；公开的衍生数据库须以同一许可提供。",
         en="Data © OpenStreetMap contributors, ODbL 1.0: results keep the attribution; a derived database made public "
            "is under the same licence."),
    Text(zh="OpenStreetMap 不全：没有的要素不等于不存在。有权威图层时请替换对应的表。",
         en="OpenStreetMap is not complete: what it lacks may exist. Replace a table where you have the official "
            "layer."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRequest:
    """What is to be fetched, and how."""

    city: str
    """Key of a city pack, or the path of one."""

    layers: tuple[str, ...] = ()
    """Layers; empty for all that the source has."""

    out: Path | None = None
    """Folder of the study; None for ``store/CITY``."""

    cache: Path | None = None
    """Folder of the tiles; None for one inside ``out``."""

    manners: Manners
    """Whom to ask, and how patiently."""

    margin_km: float = MARGIN_KM
    """How far around the study area."""

    tile_km: float | None = None
    """Side of a tile; None for what suits the layer."""

    starts_over: bool = False
    """Ask again for what is finished."""


def layers_of(text: str) -> tuple[str, ...]:
    """Return the layers that a comma-separated list names, each once, in the order in which layers are read.

    Raises
    ------
    UsageError
        One is not to be had.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    known = [name for name in LAYERS if name in known_layers()]
    odd = [word for word in words if word not in known]
    if odd:
        raise UsageError(f"layer {odd[0]!r} is not taken from OpenStreetMap; choose from: {', '.join(known)}",
                         f"图层 {odd[0]!r} 不取自 OpenStreetMap；可选：{'、'.join(known)}")
    return tuple(name for name in known if not words or name in words)


def require_source(name: str) -> None:
    """Make sure that layers can be fetched from the source that is named.

    Raises
    ------
    UsageError
        It is not known.
    """
    if name != "osm":
        raise UsageError(f"unknown source {name!r}; layers can be fetched --from osm",
                         f"未知来源 {name!r}；目前可用 --from osm")


def fetch_city(request: FetchRequest, console: Console) -> Path:
    """Fetch the layers of a city into a store, and write the study that uses them.

    Parameters
    ----------
    request
        What and how.
    console
        Says the language; told of each layer.

    Returns
    -------
    Path
        The study file.

    Raises
    ------
    UsageError
        A number makes no sense.
    PackError
        No such city.
    LayerUnavailableError
        The server gives no data; what is finished is kept, and the same call goes on from there.
    ExportError
        The folder cannot be written.
    """
    if not 0.0 <= request.margin_km < 1000.0 or (request.tile_km is not None and not 1.0 <= request.tile_km < 1000.0):
        raise UsageError("--margin-km must be 0 or more, --tile-km 1 or more, both below 1000",
                         "--margin-km 须不小于 0，--tile-km 须不小于 1，二者均须小于 1000")
    pack = load_pack(request.city)
    folder = request.out or Path("store") / Path(request.city).stem
    window = _window(pack, request.margin_km, console)
    tiles = TileStore(folder=request.cache or folder / CACHE, server=Overpass(request.manners),
                      tile_km=request.tile_km)
    names = request.layers or layers_of("")
    if request.starts_over:
        for name in names:
            tiles.forget(name, window)
    console.note(Text(zh=f"向 {shown(request.manners.base)} 获取 {len(names)} 个图层",
                      en=f"fetching {len(names)} layers from {shown(request.manners.base)}"))
    for name in names:
        live = tiles.fetch(name, window, pack.metric_crs, progress=console.progress)
        console.note(_summary(write_layer(folder / STORE, name, live)))
    return _write_study(folder, study_text(folder, request.city, console.language), console)


def study_text(folder: Path, city: str, language: Language) -> str:
    """Return the study that uses every layer of a store.

    Parameters
    ----------
    folder
        Folder of the study; the store lies in it.
    city
        Key of a city pack, or the path of one.
    language
        Of the comments.
    """
    place = os.path.relpath(city, folder) if city.endswith(".toml") else city
    lines = [*(f"# {text.to(language)}" for text in _HEAD), "", f"city = {toml(Path(place).as_posix())}",
             f"name = {toml(f'{Path(city).stem}_osm')}", ""]
    for layer in stored_layers(folder / STORE):
        lines += [*_layer_lines(layer, language), ""]
    return "\n".join(lines)


def _window(pack: CityPack, margin_km: float, console: Console) -> Bounds:
    """Return the study area with its margin, as the runs of the city see it."""
    specs = [spec for spec in pack.layer_specs if spec.name in _AREA_LAYERS]
    area = load_layers(specs, metric_crs=pack.metric_crs, progress=console.progress).area_of_interest
    return window_around(area, pack.metric_crs, margin_km)


def _summary(layer: StoredLayer) -> Text:
    title, of = LAYERS[layer.name].title, layer.vintage or "-"
    if not layer.n_rows:
        return Text(zh=f"{layer.name}（{title.zh}）：区域内没有要素（剔除 {layer.n_rejected}，数据时间 {of}）",
                    en=f"{layer.name} ({title.en}): nothing there ({layer.n_rejected} rejected, data of {of})")
    return Text(zh=f"{layer.name}（{title.zh}）：{layer.n_rows} 个要素（剔除 {layer.n_rejected}，数据时间 {of}）",
                en=f"{layer.name} ({title.en}): {layer.n_rows} features ({layer.n_rejected} rejected, data of {of})")


def _layer_lines(layer: StoredLayer, language: Language) -> Iterator[str]:
    yield f"# {_summary(layer).to(language)}"
    if layer.note is not None:
        yield f"# {layer.note.to(language)}"
    if layer.name == "parcels":
        yield "# " + Text(zh='无地籍地块时也可改用格网或街区：candidates = "grid" 或 "blocks"',
                          en='without a cadastre, cells or street blocks may serve better: candidates = "grid" or '
                             '"blocks"').to(language)
    # A layer without a feature would displace whatever the city pack has.
    mark = "" if layer.n_rows else "# "
    path = f"{STORE}/{layer.path.name}"
    yield from (f"{mark}{line}" for line in (f"[layers.{layer.name}]", 'source = "osm_store"', f"path = {toml(path)}"))


def _write_study(folder: Path, text: str, console: Console) -> Path:
    """Write the study beside the store, unless somebody has changed the one that is there."""
    path = folder / FILE_NAME
    if path.exists() and not _is_sealed(path):
        other = path.with_name("study.fetched.toml")
        console.note(Text(zh=f"{path} 已被改动，予以保留；新的建议写入 {other}",
                          en=f"{path} was changed and is kept; the new proposal is {other}"))
        path = other
    return write_text(path, f"{_SEAL}{_digest(text.splitlines())}\n{text}")


def _is_sealed(path: Path) -> bool:
    """Tell whether a study is as this command wrote it."""
    try:
        head, *rest = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return False
    return head == f"{_SEAL}{_digest(rest)}"


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
