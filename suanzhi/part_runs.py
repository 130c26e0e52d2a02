"""Runs one plan of a study alone: edge centres, capacity, existing stock, or a campus on one parcel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import shapely

from gis.bilingual import Text
from gis.errors import InfeasibleError, LayerNotFoundError, UsageError
from layers.loading import load_layers
from layers.types import CityLayers
from maps.outputs import write_plans
from siting.capacity import capacity_settings
from siting.census import count_all
from siting.city_pack import load_pack
from siting.edge_hosts import edge_settings
from siting.estate import DECISION_WORDS
from siting.finished_study import FinishedStudy, read_finished
from siting.pack import CityPack
from siting.plans import campus_settings, plan_edge, plan_estate
from siting.site_layout import lay_out_site
from siting.study import applied, layer_specs, run_study
from siting.types import Study, StudyResult
from siting.wording import quantity
from siting.zones import UNIT_COLUMNS, build_units
from suanzhi.console import Console
from suanzhi.running import find_study


def run_edge(study_name: str, out: Path | None, console: Console) -> tuple[Path, ...]:
    """Place edge centres alone; no parcel is read or scored."""
    study, pack, city_layers = _loaded(study_name, console, without=("parcels",))
    units = build_units(city_layers, pack)
    asked = study if study.n_facilities is not None else replace(study, n_facilities=edge_settings(pack).n_facilities)
    plan = plan_edge(city_layers, units, pack, asked, ("edge",), console.progress)
    result = replace(_without_scores(study, pack, city_layers, units), edge_plan=plan)
    paths = write_plans(result, out or _folder(study), "edge", language=console.language)
    if plan is not None:
        console.fact(Text(zh="边缘数据中心", en="edge centres"), str(plan.n_facilities))
        console.fact(Text(zh="覆盖需求", en="demand covered"), f"{plan.demand_covered / plan.demand_total:.1%}")
        _tell(console, plan.facts)
    return paths


def run_capacity(study_name: str, out: Path | None, console: Console) -> tuple[Path, ...]:
    """Score the class that takes the capacity, and lay the target out."""
    study, pack, city_layers = _loaded(study_name, console)
    settings = capacity_settings(pack)
    result = run_study(city_layers, pack, replace(study, classes=(settings.site_class,)), progress=console.progress)
    if not result.capacity_plans:
        told = result.facts[-1] if result.facts else Text(zh="无法布局容量", en="no capacity can be laid out")
        raise InfeasibleError(told.en.rstrip("."), told.zh.rstrip("。"))
    paths = write_plans(replace(result, edge_plan=None, estate_plan=None), out or _folder(study), "capacity",
                        language=console.language)
    for plan in result.capacity_plans:
        console.fact(plan.reading.title, f"{plan.it_load_mw:,.1f} / {plan.target_mw:,.1f} MW")
        _tell(console, plan.facts)
    return paths


def run_estate(study_name: str, out: Path | None, console: Console) -> tuple[Path, ...]:
    """Decide on the existing data centres alone."""
    study, pack, city_layers = _loaded(study_name, console, without=("parcels",))
    units = build_units(city_layers, pack)
    plan = plan_estate(city_layers, units, pack, study)
    if plan is None:
        raise LayerNotFoundError("there is no layer data_centres, or the pack has no clauses on existing "
                                 "data centres; name a source under [layers.data_centres]",
                                 "没有现有数据中心图层，或城市包没有存量条款；请在 [layers.data_centres] 中指定来源")
    result = replace(_without_scores(study, pack, city_layers, units), estate_plan=plan)
    paths = write_plans(result, out or _folder(study), "estate", language=console.language)
    for row in plan.totals.to_dict("records"):
        if row["n_centres"]:
            console.fact(DECISION_WORDS[str(row["decision"])], str(row["n_centres"]))
    return paths


def run_layout(parcel_id: str, out: Path | None, it_load_kw: float | None, console: Console) -> tuple[Path, ...]:
    """Lay a campus out on a parcel of a finished study."""
    folder = out or _only_study()
    study = read_finished(folder)
    city = str(study.manifest["study"]["city"])
    pack = load_pack(city)
    geometry = _parcel_of(study, parcel_id, pack.metric_crs)
    class_id = pack.capacity.site_class if pack.capacity else pack.default_classes[0]
    layout = lay_out_site(geometry, campus_settings(pack, class_id), it_load_kw=it_load_kw, crs=pack.metric_crs,
                          feed_point=_nearest_substation(study, geometry, pack.metric_crs))
    empty = CityLayers(metric_crs=pack.metric_crs, frames={}, rasters={}, provenance=(),
                       area_of_interest=shapely.Polygon())
    units = gpd.GeoDataFrame({c: [] for c in UNIT_COLUMNS}, geometry="geometry", crs=pack.metric_crs)
    result = replace(_without_scores(Study(name=folder.name, city=city), pack, empty, units),
                     site_layouts=((parcel_id, layout),))
    # A folder of its own: the study's files are those that its manifest lists. An id may hold any sign.
    plain = "".join(c if c.isalnum() or c in "-_" else "_" for c in parcel_id)
    paths = write_plans(result, folder / "layouts" / plain, "layout", language=console.language)
    for title, value in (
            (Text(zh="机房楼", en="halls"), str(layout.n_halls)), (Text(zh="机架", en="racks"), f"{layout.racks:,}"),
            (Text(zh="IT 负荷", en="IT load"), quantity(layout.it_load_kw / 1000.0, "MW", console.language)),
            (Text(zh="视在功率", en="apparent power"), quantity(layout.site_load_mva, "MVA", console.language))):
        console.fact(title, value)
    return paths


def _parcel_of(study: FinishedStudy, parcel_id: str, metric_crs: str) -> shapely.Polygon | shapely.MultiPolygon:
    found = study.shapes({parcel_id})
    if found.empty:
        known = [str(key) for key in study.verdicts.index[:3]]
        raise UsageError(f"the study in {study.folder} has no parcel {parcel_id!r}; its ids look like "
                         f"{', '.join(known)}",
                         f"{study.folder} 的方案中没有地块 {parcel_id!r}；编号形如 {'、'.join(known)}")
    outline: shapely.Polygon | shapely.MultiPolygon = found.to_crs(metric_crs).iloc[0]
    return outline


def _nearest_substation(study: FinishedStudy, geometry: shapely.Geometry, metric_crs: str) -> shapely.Point | None:
    stations = study.layer("substations")
    if stations is None:
        return None
    placed = stations.geometry.to_crs(metric_crs)
    nearest = placed.iloc[int(placed.distance(geometry).argmin())]
    return shapely.Point(shapely.get_coordinates(shapely.point_on_surface(nearest))[0])


def _loaded(study_name: str, console: Console, without: tuple[str, ...] = ()) -> tuple[Study, CityPack, CityLayers]:
    study = find_study(study_name, None)
    pack = applied(load_pack(study.city), study)
    specs = [s for s in layer_specs(pack, study) if s.name not in without]
    city_layers = load_layers(tuple(specs), metric_crs=pack.metric_crs, n_parcels=study.n_parcels, seed=study.seed,
                              progress=console.progress)
    return study, pack, city_layers


def _without_scores(study: Study, pack: CityPack, city_layers: CityLayers, units: gpd.GeoDataFrame) -> StudyResult:
    nothing = gpd.GeoDataFrame({"parcel_id": []}, geometry=[], crs=city_layers.metric_crs)
    return StudyResult(study=study, pack=pack, city_layers=city_layers, units=units, candidates=nothing, scores=(),
                       census=count_all(nothing, []), edge_plan=None, timings_s={})


def _folder(study: Study) -> Path:
    return Path("out") / study.name


def _only_study() -> Path:
    """Return the one finished study under ``out``.

    Raises
    ------
    UsageError
        There is none, or there are several.
    """
    found = sorted(p.parent for p in Path("out").glob("*/manifest.json"))
    if len(found) == 1:
        return found[0]
    names = ", ".join(str(p) for p in found) or "-"
    raise UsageError(f"name the folder of a finished study with --out; found: {names}",
                     f"请用 --out 指定已完成方案的目录；找到：{names}")


def _tell(console: Console, facts: Iterable[Text]) -> None:
    for fact in facts:
        console.note(fact)
