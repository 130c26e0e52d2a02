"""Every layer that the product knows: its columns, units and what it is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gis.bilingual import Text
from gis.schemas import Field, FrameSchema, GeometryKind, Kind

HAZARD_CLASSES = ("chemical", "explosives", "landfill", "petrol_station", "nuclear")
"""Hazards that the standards tell apart: class 甲/乙 plants and stores, explosives stores, landfill,
petrol stations, nuclear plants."""

LAND_USES = (
    "industrial", "warehouse", "utility", "research", "commercial", "residential", "public_service",
    "transport", "green", "farmland", "basic_farmland", "water", "vacant",
)
"""Land-use words of the product."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSchema:
    """What one layer is for and what it must hold."""

    name: str
    """Key of the layer in study files, packs and outputs."""

    title: Text
    """What a reader calls it."""

    purpose: Text
    """What the run lacks without it."""

    id_column: str = ""
    """Column that names a feature; made from the row number where the file has none. Empty for a raster."""

    frame: FrameSchema | None = None
    """Columns of a vector layer; None for a raster."""

    unit: str = ""
    """Unit of a raster's cells."""

    is_categorical: bool = False
    """The raster holds codes."""

    is_required: bool = False
    """No run without it."""

    @property
    def is_raster(self) -> bool:
        """Tell whether the layer is a raster."""
        return self.frame is None


def _field(name: str, zh: str, en: str, kind: Kind = "text", unit: str = "", *,
           required: bool = False, values: tuple[str, ...] = ()) -> Field:
    return Field(name=name, title=Text(zh=zh, en=en), kind=kind, unit=unit, is_required=required, values=values)


def _vector(name: str, zh: str, en: str, purpose_zh: str, purpose_en: str, id_column: str,
            geometries: tuple[GeometryKind, ...], *fields: Field, required: bool = False) -> LayerSchema:
    identity = _field(id_column, "编号", "identifier")
    return LayerSchema(
        name=name, title=Text(zh=zh, en=en), purpose=Text(zh=purpose_zh, en=purpose_en), id_column=id_column,
        frame=FrameSchema(name=name, geometries=geometries, fields=(identity, *fields)), is_required=required,
    )


def _raster(name: str, zh: str, en: str, purpose_zh: str, purpose_en: str, unit: str, *,
            categorical: bool = False) -> LayerSchema:
    return LayerSchema(name=name, title=Text(zh=zh, en=en), purpose=Text(zh=purpose_zh, en=purpose_en),
                       unit=unit, is_categorical=categorical)


_NAME = _field("name", "名称", "name")
_COMMISSIONED = _field("commissioned", "投运日期", "commissioned", "date")
_ANY: tuple[GeometryKind, ...] = ("point", "line", "polygon")

_ALL = (
    _vector("districts", "行政区", "Districts", "研究范围与分区", "study area and zones", "district_id", ("polygon",),
            _field("name", "名称", "name", required=True), required=True),
    _vector("zones", "功能区", "Functional zones", "功能区优先于区县的政策归属", "policy by functional zone",
            "unit_id", ("polygon",), _NAME),
    _vector("boundary_lines", "境界线", "Boundary lines", "图面参考（全国图的南海断续线）",
            "shown on maps of the whole country (dashed line of the South China Sea)", "line_id", ("line",), _NAME),
    _vector("parcels", "地块", "Parcels", "候选地块", "candidates", "parcel_id", ("polygon",), _NAME,
            _field("land_use", "用地性质", "land use", values=LAND_USES),
            _field("building_area_m2", "可再利用建筑面积", "reusable building area", "number", "m2"),
            _field("land_price_level", "地价等级（1 低 5 高）", "land price level (1 low, 5 high)", "number", "level")),
    _vector("substations", "变电站", "Substations", "供电距离与双路电源", "power distance and second feed",
            "substation_id", ("point", "polygon"), _NAME,
            _field("voltage_kv", "最高电压", "highest voltage", "number", "kV", required=True),
            _field("transformer_capacity_mva", "主变容量", "transformer capacity", "number", "MVA"),
            _field("n_transformers", "主变台数", "transformers", "number", "count"),
            _field("peak_load_mva", "最大负荷", "peak load", "number", "MVA"),
            _field("headroom_mva", "可用容量", "headroom", "number", "MVA"),
            _field("parent_id", "上级变电站编号", "parent substation"),
            _field("free_area_m2", "可用场地面积", "free area", "number", "m2"), _COMMISSIONED),
    _vector("power_lines", "输电线路", "Power lines", "图面参考", "shown on the map", "line_id", ("line",), _NAME,
            _field("voltage_kv", "电压", "voltage", "number", "kV")),
    _vector("fibre_routes", "光缆路由", "Fibre routes", "光缆距离与路由多样性", "fibre distance and route diversity",
            "route_id", ("line",), _NAME, _field("operator", "运营商", "operator")),
    _vector("telecom_rooms", "通信机房", "Telecom rooms", "网络接入点与边缘宿主", "points of presence and edge hosts",
            "room_id", ("point", "polygon"), _NAME, _field("operator", "运营商", "operator")),
    _vector("base_stations", "基站", "Base stations", "边缘宿主", "edge hosts", "station_id", ("point",), _NAME,
            _field("operator", "运营商", "operator")),
    _vector("buildings", "可再利用建筑", "Reusable buildings", "边缘宿主与存量利用", "edge hosts and reuse",
            "building_id", ("point", "polygon"), _NAME,
            _field("floor_area_m2", "建筑面积", "floor area", "number", "m2")),
    _vector("roads", "道路", "Roads", "双路进出", "access by two roads", "road_id", ("line",), _NAME,
            _field("road_class", "道路等级", "road class",
                   values=("motorway", "trunk", "primary", "secondary", "tertiary", "local"))),
    _vector("railways", "铁路", "Railways", "铁路退距", "setback from railways", "railway_id", ("line",), _NAME),
    _vector("metro", "地铁", "Metro", "地铁退距", "setback from metro", "metro_id", ("point", "line"), _NAME),
    _vector("hubs", "交通枢纽", "Transport hubs", "枢纽可达性", "access to hubs", "hub_id", ("point", "polygon"), _NAME,
            _field("kind", "类型", "kind", values=("rail", "airport", "other"))),
    _vector("runways", "跑道", "Runways", "航道退距", "flight-path corridors", "runway_id", ("line",), _NAME,
            _field("airport", "机场", "airport")),
    _vector("water", "水体", "Water", "水面排除与取水", "water bodies and sources", "water_id", ("line", "polygon"),
            _NAME, _field("kind", "类型", "kind")),
    _vector("hazards", "危险源", "Hazards", "危险源退距", "setback from hazards", "hazard_id", _ANY, _NAME,
            _field("hazard_class", "危险类别", "hazard class", required=True, values=HAZARD_CLASSES)),
    _vector("housing", "住宅", "Housing", "住宅退距（噪声）", "setback from housing (noise)", "housing_id",
            ("point", "polygon"), _NAME),
    _vector("protected_land", "保护地", "Protected land", "生态红线与保护地排除", "protected areas", "protected_id",
            ("polygon",), _NAME, _field("kind", "类型", "kind")),
    _vector("faults", "断裂", "Faults", "断裂退距", "setback from faults", "fault_id", ("line",), _NAME),
    _vector("data_centres", "现有数据中心", "Existing data centres", "现状与校核", "existing stock", "data_centre_id",
            ("point", "polygon"), _NAME, _field("operator", "运营商", "operator"),
            _field("development_type", "数据中心类型", "kind of data centre"),
            _field("rack_count", "机架数", "racks", "number", "racks"),
            _field("it_load_kw", "IT 设计功率", "IT load by design", "number", "kW"),
            _field("pue", "PUE", "PUE", "number", "1"),
            _field("server_count", "服务器数", "servers", "number", "servers"),
            _field("energy_tce", "年综合能耗", "energy of a year", "number", "tce"),
            _field("error_radius_km", "位置误差", "position error", "number", "km"),
            _field("confidence", "可信度", "confidence"), _COMMISSIONED),
    _vector("demand", "需求点", "Demand points", "边缘需求与覆盖", "edge demand", "demand_id",
            ("point", "polygon"), _NAME,
            _field("demand", "需求量", "demand", "number", "weight")),
    _vector("renewable_plants", "可再生能源电站", "Renewable plants", "绿电距离", "distance to green power", "plant_id",
            ("point", "polygon"), _NAME, _field("capacity_mw", "装机容量", "capacity", "number", "MW")),
    _vector("reclaimed_water_plants", "再生水厂", "Reclaimed-water plants", "再生水距离", "distance to reclaimed water",
            "plant_id", ("point", "polygon"), _NAME),
    _raster("dem", "数字高程", "Elevation", "坡度", "slope", "m"),
    _raster("flood_depth", "淹没水深", "Flood depth", "洪涝", "flooding", "m"),
    _raster("water_mask", "水体栅格", "Water mask", "水面占比", "share of water", "0/1"),
    _raster("land_cover", "地表覆盖", "Land cover", "按地类代码排除（城市包规则引用时）",
            "exclusion by code, where a rule of the pack says so", "code", categorical=True),
    _raster("population", "人口", "Population", "边缘需求（未给需求图层时）",
            "edge demand, where no layer demand is given", "people per cell"),
)

LAYERS: Mapping[str, LayerSchema] = MappingProxyType({schema.name: schema for schema in _ALL})
"""Every layer by name, in the order in which they are read."""
