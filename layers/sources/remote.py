"""What databases and services have in common as sources, as they are no files.

A study is handed on, so that it names what to read and never who may: secrets come from the environment. What was read
cannot be hashed as a file; its rows are, and the digest stands in a reading note, so that the manifest tells whether
the same was read again.

Options
-------
``max_features``
    Most rows that are read, 1 000 000 unless told; more are refused, not cut.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Collection, Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gis.bilingual import Text
from gis.errors import LayerError, SitingToolError, UsageError
from layers.placement import SWAP_AXES
from layers.service_filters import Condition, FieldKind, parse_filter
from layers.sources.row_filter import rows_where
from layers.sources.types import RawVector
from layers.sources.vector_file import renamed
from layers.types import LayerSpec
from layers.value_mapping import SCHEME_OPTION

MOST_FEATURES = 1_000_000
"""Default of the option ``max_features``."""

_GENERAL = (SWAP_AXES, SCHEME_OPTION, "max_features")
_SECRET = re.compile(r"pass|pwd|secret|token|credential|^(tk|ak|sk|user|username|auth|key|signature)$|api_?key",
                     re.IGNORECASE)
_BLOCK = 50_000


def is_secret(name: str) -> bool:
    """Tell whether a setting or a parameter of that name holds what must not stand in a study."""
    return _SECRET.search(name) is not None


def check_settings(spec: LayerSpec, known: Sequence[str], remedy: Text, elsewhere: Collection[str] = ()) -> None:
    """Make sure that a spec holds no secret, no file and no option that means nothing.

    Parameters
    ----------
    spec
        The spec.
    known
        Options of the source, beside those of every one.
    remedy
        Where secrets belong.
    elsewhere
        Options that belong there too.

    Raises
    ------
    UsageError
        It does. The message names the option and never its value.
    """
    where = f"[layers.{spec.name}]"
    if spec.path:
        raise UsageError(f"layer {spec.name!r}: the source {spec.source} reads no file; remove path under {where}",
                         f"图层 {spec.name!r}：来源 {spec.source} 不读文件；请删去 {where} 下的 path")
    allowed = (*known, *_GENERAL)
    for key, _ in spec.options:
        if key in allowed:
            continue
        if is_secret(key) or key in elsewhere:
            raise UsageError(f"layer {spec.name!r}: a study must not hold {key}, because it is handed on; {remedy.en}",
                             f"图层 {spec.name!r}：方案会被转交，不得写入 {key}；{remedy.zh}")
        near = difflib.get_close_matches(key, allowed, n=1)
        raise UsageError(
            f"layer {spec.name!r}: unknown option {key!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            + f" Known: {', '.join(allowed)}",
            f"图层 {spec.name!r}：未知选项 {key!r}" + (f"；是否指 {near[0]!r}？" if near else "")
            + f" 可用：{'、'.join(allowed)}")


def number(spec: LayerSpec, key: str, default: float, least: float, most: float) -> float:
    """Return an option that is a number.

    Raises
    ------
    UsageError
        It is none, or beyond its bounds.
    """
    given = spec.option(key, default)
    if isinstance(given, bool | str) or not least <= given <= most:
        raise UsageError(f"layer {spec.name!r}: {key} is {given!r}; give a number from {least:g} to {most:g}",
                         f"图层 {spec.name!r}：{key} 为 {given!r}；请给出 {least:g} 至 {most:g} 之间的数")
    return float(given)


def most_features(spec: LayerSpec) -> int:
    """Return the most rows that the spec lets be read."""
    return int(number(spec, "max_features", MOST_FEATURES, 1, 1e9))


def too_many(spec: LayerSpec, found: str) -> LayerError:
    """Return the error of a source that holds more rows than the spec lets be read.

    Parameters
    ----------
    spec
        The spec.
    found
        How many there are, or ``"more"``.
    """
    most = most_features(spec)
    return LayerError(
        f"layer {spec.name!r}: {found} rows, and at most {most} are read; have the source give fewer (a plain where, a "
        f"view, a smaller margin_km), or raise max_features in options under [layers.{spec.name}]",
        f"图层 {spec.name!r}：行数（{found}）超过上限 {most}；请让来源少给一些"
        f"（简单的 where、视图、较小的 margin_km），或调高 [layers.{spec.name}] 下 options 的 max_features")


def narrowing(where: str, fields: dict[str, FieldKind]) -> Condition | None:
    """Return the part of a condition that a database may be asked, its values bound; None where it must not.

    The rows that come are filtered once more by :func:`handed_over`, which alone decides. So only what means the same
    in every system is asked: comparisons of fields with values of their kind, and not LIKE, which differs.

    Parameters
    ----------
    where
        The condition of the spec.
    fields
        Kinds of the source's columns.
    """
    if not where or re.search(r"\blike\b", where, re.IGNORECASE):
        return None
    try:
        return parse_filter(where, fields)
    except SitingToolError:
        return None


def handed_over(spec: LayerSpec, frame: gpd.GeoDataFrame, place: str, notes: Sequence[Text] = (), *,
                is_typed: bool = True) -> RawVector:
    """Return rows that were read as a source hands them over: filtered, under our names, and accounted for.

    Parameters
    ----------
    spec
        ``where``, a condition on the source's own columns, with the meaning that it has for files; ``columns``.
    frame
        Rows as read, with a RangeIndex and the geometry column ``geometry``.
    place
        Where they are from, without secrets.
    notes
        How they were read.
    is_typed
        A number in text is text; else, as in a CSV, a column of nothing but numbers is numbers.

    Raises
    ------
    LayerError
        The condition cannot be evaluated.
    SchemaError
        A column that ``columns`` names is not there.
    """
    kept = frame
    if spec.where and len(frame):
        numeric = frozenset[str]() if is_typed else None
        kept = frame[rows_where(_comparable(frame), spec.where, spec.name, numeric)].reset_index(drop=True)
    digest = content_digest(kept)
    counted = Text(zh=f"读自 {place}：{len(kept)} 行，内容的 SHA-256 为 {digest}",
                   en=f"read from {place}: {len(kept)} rows, SHA-256 of their content {digest}")
    found = [counted, *notes]
    if not len(kept):
        found.append(Text(zh="图层中没有要素", en="the layer holds no features"))
    return RawVector(frame=renamed(kept, spec), n_read=len(kept), origin=place, digest=digest,
                     reading_notes=tuple(found))


def content_digest(frame: gpd.GeoDataFrame) -> str:
    """Return the SHA-256 of rows in their order: names of the columns, values, and geometries as WKB.

    Parameters
    ----------
    frame
        The rows.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name in frame.columns:
        column = frame[name]
        own = hashlib.sha256(f"{name}:{column.dtype.kind}".encode())
        for start in range(0, len(frame), _BLOCK):
            own.update(_bytes_of(column.iloc[start:start + _BLOCK], is_geometry=name == frame.geometry.name))
        digest.update(own.digest())
    return digest.hexdigest()


def _bytes_of(column: pd.Series[Any], *, is_geometry: bool) -> bytes:
    """Return what a part of a column holds, so that no other content gives the same bytes."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iufb":
        numbers = column.to_numpy()
        if column.dtype.kind == "f":
            numbers = np.where(np.isnan(numbers), np.nan, numbers)  # of the many ways to write it, one
        return numbers.astype(numbers.dtype.newbyteorder("<")).tobytes()
    if is_geometry:
        values = shapely.to_wkb(column.to_numpy(), byte_order=1, output_dimension=2).tolist()
    else:
        values = [None if value is None or value is pd.NA or value != value else str(value).encode()
                  for value in column.tolist()]
    lengths = np.array([-1 if value is None else len(value) for value in values], dtype="<i8")
    return lengths.tobytes() + b"".join(value or b"" for value in values)


def _comparable(frame: gpd.GeoDataFrame) -> pd.DataFrame:
    """Return the attributes for a condition; truth values with gaps as numbers, or they would be compared as text."""
    table = pd.DataFrame(frame.drop(columns=frame.geometry.name))
    flags = [name for name in table.columns if table[name].dtype == object
             and table[name].map(lambda value: value is None or isinstance(value, bool)).all()
             and table[name].notna().any()]
    return table.assign(**{name: table[name].map({True: 1.0, False: 0.0}).astype(np.float64) for name in flags})
