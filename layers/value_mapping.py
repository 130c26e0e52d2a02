"""From the words and codes of a file to the words of the product, by a table that a study can change.

A value that the study maps goes where the study says; a word of the product stays; a land-use code or
name is looked up in ``land_use_codes.toml``. What is left has no meaning here: it becomes empty and is
noted, never guessed.

Options
-------
``land_use_scheme``
    ``gb21010``, ``guide2023`` or ``gb50137``: the classification of the codes. Without it a code that
    means the same in every classification that has it is understood; one that does not stops the layer.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from gis.bilingual import Text
from gis.errors import SchemaError, UsageError
from gis.schemas import Field
from layers.cells import coded
from layers.intake import Intake
from layers.schemas import LAND_USES, LayerSchema
from layers.types import LayerSpec

SCHEME_OPTION = "land_use_scheme"
"""Option of a spec: the classification of its land-use codes."""

LAND_USE = "land_use"
"""Column whose values are looked up in the tables of codes."""

CODE_COLUMN = "land_use_code"
"""Column that keeps the codes as they came."""

_TABLE = Path(__file__).with_name("land_use_codes.toml")
_CODE = re.compile(r"(?:\d{2}){1,3}(?:H\d)?[A-Z]?|[A-Z]\d{0,2}[A-Z]?")
_CODE_THEN_NAME = re.compile(r"([0-9A-Z]*)[\s\-_:、,(\[]*([^\W\d_A-Z][^()\[\]]*?)[)\]]?")
_NAME_THEN_CODE = re.compile(r"([^\W\d_A-Z][^()\[\]]*?)[\s\-_:、,(\[]*([0-9A-Z]*)[)\]]?")


@dataclass(frozen=True, slots=True)
class Scheme:
    """One land-use classification."""

    key: str
    """Word of the option ``land_use_scheme``."""

    title: Text
    """What a reader calls it."""

    citation: str
    """Where its codes stand."""

    codes: Mapping[str, tuple[str, str]]
    """Code to its name in the classification and our word."""

    def word(self, code: str) -> str | None:
        """Return our word for a code: its own entry, or that of its longest beginning; None where there is none."""
        for end in range(len(code), 0, -1):
            # A letter code goes on in digits, or in one letter of a local standard; "R2B1" is two codes, not R2.
            if code[:end] in self.codes and re.fullmatch(r"\d*[A-Z]?", code[end:]):
                return self.codes[code[:end]][1]
        return None


@cache
def land_use_schemes() -> Mapping[str, Scheme]:
    """Return the classifications that the product knows, by key."""
    table = tomllib.loads(_TABLE.read_text(encoding="utf-8"))["schemes"]
    return MappingProxyType({
        key: Scheme(key, Text(zh=given["title"]["zh"], en=given["title"]["en"]), given["citation"],
                    MappingProxyType({code: (name, word) for code, (name, word) in given["codes"].items()}))
        for key, given in table.items()
    })


@cache
def land_use_names() -> Mapping[str, str]:
    """Return our word for every Chinese land-use name: those of the classifications and those in common use."""
    names: dict[str, str] = dict(tomllib.loads(_TABLE.read_text(encoding="utf-8"))["names"])
    for scheme in land_use_schemes().values():
        names.update(dict(scheme.codes.values()))
    return MappingProxyType(names)


def land_use_word(value: str, scheme: str = "", layer: str = "parcels") -> str | None:
    """Return our word for a land-use code or name, or None where it has no certain meaning.

    Parameters
    ----------
    value
        ``"0601"``, ``"M2"``, ``"工业用地"``, ``"M2 二类工业用地"``, ``"工业用地(1001)"``.
    scheme
        Classification of the codes; any if empty.
    layer
        Layer, for the message.

    Returns
    -------
    str or None
        One of ``LAND_USES``; None for what is not in the tables, and for a code and a name that
        contradict each other.

    Raises
    ------
    SchemaError
        No scheme is given, and the code means one thing here and another there.
    """
    text = unicodedata.normalize("NFKC", value).strip()
    if text in LAND_USES:
        return text
    text = text.upper()
    if _CODE.fullmatch(text):
        return _word_of_code(text, scheme, layer)
    match = _CODE_THEN_NAME.fullmatch(text)
    code, name = (match[1], match[2]) if match else ("", text)
    if name not in land_use_names() and (tail := _NAME_THEN_CODE.fullmatch(text)):
        name, code = tail[1], tail[2]
    word = land_use_names().get(name)
    if not code or word is None:
        return word
    return word if word in _meanings(code, scheme).values() else None


def map_values(intake: Intake, schema: LayerSchema, spec: LayerSpec) -> Intake:
    """Put the values of a file into the words of the product, and account for those that have none.

    Parameters
    ----------
    intake
        Rows under way, under our column names.
    schema
        What the layer holds.
    spec
        ``values`` and the option ``land_use_scheme``.

    Returns
    -------
    Intake
        The rows that are left. A value without a meaning is empty and noted as a repair; where the
        column is required, its row is rejected. Land-use codes stay in the column ``land_use_code``.

    Raises
    ------
    UsageError
        ``values`` names a column or a word that the layer does not know, or the scheme is unknown.
    SchemaError
        A land-use code means different things in different classifications and none is declared.
    """
    given = spec.values  # noqa: PD011 - no pandas object
    tables = {column: {_plain(theirs): ours for theirs, ours in pairs} for column, pairs in given}
    fields = {field.name: field for field in (schema.frame.fields if schema.frame else ())}
    for column, table in tables.items():
        _check_table(column, table, fields.get(column), intake, spec.name)
        if column not in fields:
            intake = _map_column(intake, Field(name=column, title=Text(zh=column, en=column)), table, spec)
    for field in fields.values():
        if field.name in intake.frame.columns and (field.name in tables or field.name == LAND_USE):
            intake = _map_column(intake, field, tables.get(field.name, {}), spec)
    return intake


def _map_column(intake: Intake, field: Field, table: Mapping[str, str], spec: LayerSpec) -> Intake:
    before = intake.frame[field.name]
    places, plain = coded(before, _plain)
    if not _vocabulary(field):
        # A column of free words keeps what the study does not name, number or text as it came.
        kept = [table.get(value, own) for own, value in zip(before, plain[places], strict=True)]
        return intake.with_frame(intake.frame.assign(**{field.name: pd.Series(kept, index=before.index)}))
    scheme = _scheme(spec) if field.name == LAND_USE else ""
    texts = sorted({str(plain[place]) for place in np.unique(places)} - {""})
    found = {value: _word(value, field, table, scheme, spec) for value in texts}
    words = np.array([found.get(value) for value in plain], dtype=object)
    frame = intake.frame.assign(**{field.name: pd.Series(words[places], index=before.index, dtype=object)})
    if field.name == LAND_USE and CODE_COLUMN not in frame.columns and any(found[v] != v for v in found):
        codes = np.array([value or None for value in plain], dtype=object)[places]
        frame = frame.assign(**{CODE_COLUMN: pd.Series(codes, index=before.index, dtype=object)})
    is_lost = np.array([value in found and found[value] is None for value in plain], dtype=bool)[places]
    reasons = [_unknown(field, value, spec.name) for value in plain[places[is_lost]]]
    mapped = intake.with_frame(frame)
    return mapped.reject(is_lost, reasons) if field.is_required else mapped.repair(is_lost, reasons)


def _word(value: str, field: Field, table: Mapping[str, str], scheme: str, spec: LayerSpec) -> str | None:
    if value in table:
        return table[value]
    if value in _vocabulary(field) or not _vocabulary(field):
        return value
    return land_use_word(value, scheme, spec.name) if field.name == LAND_USE else None


def _word_of_code(code: str, scheme: str, layer: str) -> str | None:
    found = _meanings(code, scheme)
    words = sorted(set(found.values()))
    if len(words) > 1:
        raise _ambiguous(code, found, layer)
    return words[0] if words else None


def _meanings(code: str, scheme: str) -> dict[str, str]:
    """Return our word for a code by the classifications that have it."""
    schemes = land_use_schemes()
    found = {key: schemes[key].word(code) for key in ([scheme] if scheme else schemes)}
    return {key: word for key, word in found.items() if word is not None}


def _vocabulary(field: Field) -> tuple[str, ...]:
    """Return the words that a column may hold; none where any will do."""
    return field.values  # noqa: PD011 - no pandas object


def _scheme(spec: LayerSpec) -> str:
    word = str(spec.option(SCHEME_OPTION, ""))
    known = land_use_schemes()
    if word and word not in known:
        raise UsageError(
            f"layer {spec.name!r}: unknown land_use_scheme {word!r}; write one of {', '.join(known)} in options under "
            f"[layers.{spec.name}]",
            f"图层 {spec.name!r}：未知的 land_use_scheme {word!r}；请在 [layers.{spec.name}] 的 options 中写明 "
            f"{'、'.join(known)} 之一",
        )
    return word


def _plain(value: object) -> str:
    """Return a cell as the text that a study would write: no blanks at the ends, no ``.0``, no full-width forms."""
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, float | np.floating):
        return "" if not np.isfinite(value) else str(int(value)) if float(value).is_integer() else str(float(value))
    return unicodedata.normalize("NFKC", str(value)).strip()


def _check_table(column: str, table: Mapping[str, str], field: Field | None, intake: Intake, layer: str) -> None:
    """Raise where a mapping of the study leads from or to nothing."""
    if column not in intake.frame.columns:
        there = [str(name) for name in intake.frame.columns if name != "geometry"]
        raise UsageError(
            f"layer {layer!r}: [layers.{layer}.values.{column}] maps a column that is not there; there are: "
            f"{', '.join(there)}; write columns = {{ {column} = \"...\" }} as well",
            f"图层 {layer!r}：[layers.{layer}.values.{column}] 对应的字段不存在；现有字段：{'、'.join(there)}；"
            f"请同时写明 columns = {{ {column} = \"...\" }}",
        )
    known = _vocabulary(field) if field is not None else ()
    odd = sorted({word for word in table.values() if word} - set(known))
    if odd and known:
        raise UsageError(
            f"layer {layer!r}: [layers.{layer}.values.{column}] maps to unknown words {', '.join(odd[:5])}; use: "
            f"{', '.join(known)}",
            f"图层 {layer!r}：[layers.{layer}.values.{column}] 的目标词 {'、'.join(odd[:5])} 未知；可用："
            f"{'、'.join(known)}",
        )


def _unknown(field: Field, value: str, layer: str) -> Text:
    return Text(
        zh=f"字段 {field.name} 的取值 {value!r} 不在对照表中，按空值处理；"
           f"可在 [layers.{layer}.values.{field.name}] 中写明",
        en=f"column {field.name!r} holds {value!r}, which no table knows; left empty; name it under "
           f"[layers.{layer}.values.{field.name}]",
    )


def _ambiguous(code: str, found: Mapping[str, str], layer: str) -> SchemaError:
    schemes = land_use_schemes()
    zh = "，".join(f"在 {key}（{schemes[key].title.zh}）中为 {word}" for key, word in found.items())
    en = ", ".join(f"{word} in {key} ({schemes[key].title.en})" for key, word in found.items())
    known = " / ".join(f'"{key}"' for key in found)
    return SchemaError(
        f"layer {layer!r}: the land-use code {code!r} means {en}; say which one the file follows: options = "
        f"{{ {SCHEME_OPTION} = {known} }} under [layers.{layer}] in the study file",
        f"图层 {layer!r}：用地代码 {code!r} {zh}；请在方案文件 [layers.{layer}] 下写明文件采用哪一种：options = "
        f"{{ {SCHEME_OPTION} = {known} }}",
    )
