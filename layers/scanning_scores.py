"""How well a data set fits a layer, by its name, geometry, columns, values and place."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import geopandas as gpd
import pandas as pd

from gis.bilingual import Text
from gis.schemas import GEOMETRY_TYPES, Field
from layers.conversion import parse_text, parse_voltage_kv
from layers.quantities import UNITS
from layers.scanning_types import FoundTable, RasterLook
from layers.scanning_words import common_words, plain, tokens_in, voltage_in, words_of
from layers.schemas import LAYERS, LayerSchema
from layers.types import Scalar

_NAME_POINTS, _FOLDER_POINTS = 0.4, 0.2
_FIRST_FIELD_POINTS, _FIELD_POINTS, _MOST_FIELD_POINTS = 0.25, 0.1, 0.45
_GEOMETRY_POINTS, _VALUE_POINTS, _PLACE_POINTS = 0.1, 0.2, 0.1
_MISSING_SCORE = 0.45  # below ACTIVE_SCORE: what lacks a required column cannot be used as it is, however well it fits
_ENOUGH_VALUES = 0.5
_SAMPLE_ROWS = 2000
_KV_LEVELS = frozenset({6.0, 10.0, 20.0, 35.0, 66.0, 110.0, 220.0, 330.0, 400.0, 500.0, 750.0, 800.0, 1000.0, 1100.0})
_UNIT = re.compile(r"[(\[（【]\s*([^)\]）】]+?)\s*[)\]）】]")


@dataclass(frozen=True, eq=False, kw_only=True)
class Fit:
    """How well a data set fits one layer."""

    layer: str
    """Which layer."""

    score: float
    """0 to 1."""

    evidence: tuple[Text, ...]
    """Why."""

    is_complete: bool = True
    """Every required column is there."""

    columns: tuple[tuple[str, str], ...] = ()
    """Pairs of our column and the file's."""

    constants: tuple[tuple[str, Scalar], ...] = ()
    """Pairs of our column and a value for every row."""

    units: tuple[tuple[str, str], ...] = ()
    """Pairs of our column and the unit that the file's column names."""

    hints: tuple[Text, ...] = ()
    """What the planner must still decide."""


def best_fit(found: FoundTable, name: str, folder: str, share_inside: float,
             district_names: Iterable[str]) -> Fit | None:
    """Return the layer that a data set fits best; None where it fits none.

    Parameters
    ----------
    found
        The data set.
    name
        Name of the file without its ending, and of the table.
    folder
        Names of the folders above it.
    share_inside
        Share of the features (or of the raster) in the bounds of the city, 0 to 1.
    district_names
        Names of the city's districts.
    """
    fits = [fit for layer, schema in LAYERS.items()
            if (fit := _fit(found, layer, schema, name, folder, frozenset(district_names))) is not None]
    if not fits:
        return None
    best = max(fits, key=lambda fit: fit.score)
    place = Text(zh=f"{share_inside:.1%} 在本市范围内", en=f"{share_inside:.1%} of it lies in the bounds of the city")
    points = _PLACE_POINTS if share_inside >= _ENOUGH_VALUES else 0.0
    return replace(best, score=min(1.0 if best.is_complete else _MISSING_SCORE, round(best.score + points, 2)),
                   evidence=(*best.evidence, place))


def _fit(found: FoundTable, layer: str, schema: LayerSchema, name: str, folder: str,
         district_names: frozenset[str]) -> Fit | None:
    if schema.is_raster != (found.raster is not None):
        return None
    score, evidence = _by_name(layer, name, folder)
    if found.raster is not None:
        points, said = _by_cells(layer, found.raster)
        return Fit(layer=layer, score=score + points, evidence=(*evidence, *said)) if score + points > 0 else None
    if found.frame is None or schema.frame is None:
        return None
    kinds = [name for kind in schema.frame.geometries for name in GEOMETRY_TYPES[kind]]
    types = found.frame.geometry.dropna().geom_type
    if len(types) == 0 or float(types.isin(kinds).mean()) < _ENOUGH_VALUES:
        return None
    return _by_rows(found, schema, schema.frame.fields, score, evidence, name, district_names)


def _by_rows(found: FoundTable, schema: LayerSchema, fields: tuple[Field, ...], score: float,
             evidence: tuple[Text, ...], name: str, district_names: frozenset[str]) -> Fit | None:
    frame = found.frame
    assert frame is not None
    columns, n_specific = map_columns(frame, schema, taken=frozenset(theirs for _, theirs in found.columns))
    points, said = _by_values(frame, schema.name, dict(columns), district_names)
    if score + points + n_specific == 0:
        return None  # geometry of the right kind says nothing by itself
    score += _GEOMETRY_POINTS + points
    if n_specific:
        score += min(_MOST_FIELD_POINTS, _FIRST_FIELD_POINTS + _FIELD_POINTS * (n_specific - 1))
        shown = ", ".join(f"{theirs}→{ours}" for ours, theirs in columns)
        evidence = (*evidence, Text(zh=f"字段对应 {shown}", en=f"columns {shown}"))
    constants, more = _constants(schema, dict(columns), name)
    missing = [field for field in fields if field.is_required
               and field.name not in dict(columns) and field.name not in dict(constants)]
    hints = [Text(zh=f"缺少必需字段 {field.name}（{field.title.zh}）：请在 columns 或 constants 中写明",
                  en=f"the required column {field.name} ({field.title.en}) is missing: name it in columns or constants")
             for field in missing]
    return Fit(layer=schema.name, score=score, is_complete=not missing, evidence=(*evidence, *said, *more),
               columns=columns, constants=constants,
               units=_units(fields, dict(columns)), hints=(*hints, *_value_hints(frame, fields, dict(columns))))


def _by_name(layer: str, name: str, folder: str) -> tuple[float, tuple[Text, ...]]:
    tokens = words_of(layer).tokens
    for place, zh, en, points in ((name, "文件名", "name", _NAME_POINTS),
                                  (folder, "文件夹名", "folder", _FOLDER_POINTS)):
        if there := tokens_in(place, tokens):
            longest = max(there, key=lambda token: (len(token), token))
            # A longer word says more: 变电站 more than 站, substations more than hv.
            bonus = 0.01 * min(len(longest.encode("gb18030")), 10)
            return points + bonus, (Text(zh=f"{zh}含“{longest}”", en=f"its {en} says {longest!r}"),)
    return 0.0, ()


def map_columns(frame: gpd.GeoDataFrame, schema: LayerSchema,
                taken: frozenset[str] = frozenset()) -> tuple[tuple[tuple[str, str], ...], int]:
    """Find the file's column for each of ours.

    Parameters
    ----------
    frame
        Rows under the file's own column names.
    schema
        The layer.
    taken
        Columns of the file that are used already (coordinates).

    Returns
    -------
    tuple
        Pairs of our column and the file's, each of the file's once; and how many of them were found
        by words that belong to this layer rather than to any.
    """
    fields = schema.frame.fields if schema.frame else ()
    words = words_of(schema.name).fields
    there = {plain(str(column)): str(column) for column in reversed(frame.columns.tolist())
             if column != frame.geometry.name and str(column) not in taken}
    found: dict[str, str] = {}
    for field in fields:
        own = dict.fromkeys((plain(field.name), plain(field.title.zh), *words.get(field.name, ())))
        for word in own:
            theirs = there.get(word)
            is_word = word not in (*common_words("name"), *common_words("id"))
            if theirs is not None and is_word and theirs not in found.values() and _suits(frame, theirs, field, schema):
                found[field.name] = theirs
                break
    n_specific = len(found)
    for ours, kind in (("name", "name"), (schema.id_column, "id")):
        free = [there[word] for word in common_words(kind) if word in there and there[word] not in found.values()]
        usable = [theirs for theirs in free if kind == "name" or _is_identity(frame[theirs])]
        if ours not in found and usable and any(field.name == ours for field in fields):
            found[ours] = usable[0]
    return tuple((field.name, found[field.name]) for field in fields if field.name in found), n_specific


def _suits(frame: gpd.GeoDataFrame, column: str, field: Field, schema: LayerSchema) -> bool:
    if field.name == schema.id_column:
        return _is_identity(frame[column])
    if field.unit == "kV":
        return _looks_like_voltage(frame[column])
    return True


def _is_identity(values: pd.Series) -> bool:
    """Tell whether a column names every row, and each by another word."""
    words = [parse_text(value) for value in values.tolist() if not isinstance(value, list | dict)]
    return len(words) == len(values) and None not in words and len(set(words)) == len(words)


def _looks_like_voltage(values: pd.Series) -> bool:
    filled = values.dropna().head(_SAMPLE_ROWS).tolist()
    n_voltages = sum(parse_voltage_kv(value) in _KV_LEVELS for value in filled)
    return bool(filled) and n_voltages >= _ENOUGH_VALUES * len(filled)


def _by_values(frame: gpd.GeoDataFrame, layer: str, columns: Mapping[str, str],
               district_names: frozenset[str]) -> tuple[float, tuple[Text, ...]]:
    if layer in ("substations", "power_lines") and "voltage_kv" in columns:
        theirs = columns["voltage_kv"]
        return _VALUE_POINTS, (Text(zh=f"{theirs} 的取值是电压等级", en=f"{theirs} holds voltages"),)
    if "name" not in columns:
        return 0.0, ()
    names = [word for value in frame[columns["name"]].head(_SAMPLE_ROWS).tolist() if (word := parse_text(value))]
    if layer == "districts" and names:
        share = sum(word in district_names for word in names) / len(names)
        is_complete = share >= _ENOUGH_VALUES and len(set(names)) == len(names)
        said = Text(zh=f"{share:.0%} 的名称是本市区县", en=f"{share:.0%} of its names are districts of the city")
        return (2 * _VALUE_POINTS, (said,)) if is_complete else (0.0, ())
    ends = tuple(words_of(layer).names)
    folded = [unicodedata.normalize("NFKC", word).lower() for word in names]
    share = sum(word.endswith(ends) for word in folded) / len(names) if names and ends else 0.0
    if share < _ENOUGH_VALUES:
        return 0.0, ()
    return _VALUE_POINTS, (Text(zh=f"{share:.0%} 的名称以“{'/'.join(ends[:3])}”等结尾",
                                en=f"{share:.0%} of its names end like those of this layer"),)


def _by_cells(layer: str, raster: RasterLook) -> tuple[float, tuple[Text, ...]]:
    said = Text(zh=f"取值 {raster.lowest:g} 至 {raster.highest:g}，{raster.n_values} 种",
                en=f"cells from {raster.lowest:g} to {raster.highest:g}, {raster.n_values} different ones")
    is_mask = raster.is_integer and raster.n_values <= 2 and raster.highest in (1.0, 255.0)
    is_height = raster.lowest >= -500.0 and 50.0 < raster.highest <= 9000.0 and raster.n_values > 50
    is_codes = raster.is_integer and 3 <= raster.n_values <= 40 and raster.lowest >= 0.0
    fits = {"water_mask": is_mask, "dem": is_height, "land_cover": is_codes}
    return (_VALUE_POINTS, (said,)) if fits.get(layer, False) else (0.0, ())


def _constants(schema: LayerSchema, columns: Mapping[str, str],
               name: str) -> tuple[tuple[tuple[str, Scalar], ...], tuple[Text, ...]]:
    """Settle what the file lacks by a word in its name."""
    found: list[tuple[str, Scalar]] = []
    for column, table in words_of(schema.name).constants.items():
        settled = [ours for ours, tokens in table.items() if tokens_in(name, tokens)]
        if column not in columns and len(settled) == 1:
            found.append((column, settled[0]))
    voltage = voltage_in(name)
    fields = schema.frame.fields if schema.frame else ()
    if voltage in _KV_LEVELS and voltage is not None and "voltage_kv" not in columns \
            and any(field.name == "voltage_kv" for field in fields):
        found.append(("voltage_kv", int(voltage)))
    said = tuple(Text(zh=f"文件名表明 {column} 为 {value}", en=f"its name says that {column} is {value}")
                 for column, value in found)
    return tuple(found), said


def _units(fields: tuple[Field, ...], columns: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Take the unit from a column name such as 主变容量(kVA), where it is not ours."""
    by_name = {unit.lower(): unit for unit in UNITS}
    found = []
    for field in fields:
        match = _UNIT.search(columns.get(field.name, "")) if field.kind == "number" else None
        unit = by_name.get(unicodedata.normalize("NFKC", match[1]).lower()) if match else None
        if unit is not None and unit.lower() != field.unit.lower() and _measures(unit, field.unit):
            found.append((field.name, unit))
    return tuple(found)


def _measures(unit: str, ours: str) -> bool:
    from gis.errors import UsageError
    from layers.quantities import check_unit

    try:
        check_unit(unit, ours, "", "")
    except UsageError:
        return False
    return True


def _value_hints(frame: gpd.GeoDataFrame, fields: tuple[Field, ...], columns: Mapping[str, str]) -> list[Text]:
    """Name the values that are no words of ours, for columns that take few."""
    hints = []
    for field in fields:
        known = frozenset(field.values)
        if not known or field.name not in columns:
            continue
        counts = frame[columns[field.name]].map(parse_text).dropna().value_counts(sort=False)
        odd = sorted((-int(n), str(word)) for word, n in counts.items() if word not in known)
        if odd:
            shown = "、".join(f"{word}×{-n}" for n, word in odd[:12])
            is_land_use = field.name == "land_use"
            looked_up = Text(zh="用地代码与名称自动对照，其余", en="land-use codes and names are looked up; ")
            words = ", ".join(sorted(known))
            hints.append(Text(
                zh=f"{field.name} 的取值：{shown}；{looked_up.zh if is_land_use else ''}"
                   f"请用 values = {{ {field.name} = {{ 原值 = 对应词 }} }} 对应到 {words}",
                en=f"values of {field.name}: {shown}; {looked_up.en if is_land_use else ''}"
                   f"map others with values = {{ {field.name} = {{ theirs = ours }} }} to {words}"))
    return hints
