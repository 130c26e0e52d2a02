"""Filters of the common query language (CQL2 text) over plain fields, as SQL with bound values.

Grammar (OGC 21-065, basic CQL2 and the advanced comparison operators)::

    expression = term {"OR" term}          term = factor {"AND" factor}
    factor = ["NOT"] ("(" expression ")" | predicate | TRUE | FALSE)
    predicate = operand ("=" | "<>" | "<" | "<=" | ">" | ">=") operand
              | property ["NOT"] ("LIKE" text | "BETWEEN" literal "AND" literal | "IN" "(" literal {"," literal} ")")
              | property "IS" ["NOT"] "NULL"

A value never becomes part of the SQL; a name does only where it is that of a field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from gis.errors import UsageError

FieldKind = Literal["string", "number", "integer", "boolean"]
Value = str | float | int | bool

_LONGEST = 2_000
_MOST_TOKENS = 200
_DEEPEST = 20
_LARGEST_WHOLE = 2**63 - 1
_TOKEN = re.compile(r"""\s*(?:
    (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])
  | (?P<text>'(?:[^']|'')*')
  | (?P<quoted>"(?:[^"]|"")+")
  | (?P<word>[^\W\d]\w*)
  | (?P<mark><>|<=|>=|[=<>(),])
)""", re.VERBOSE)
_WORDS = frozenset({"AND", "OR", "NOT", "LIKE", "BETWEEN", "IN", "IS", "NULL", "TRUE", "FALSE"})
_RELATIONS = frozenset({"=", "<>", "<", "<=", ">", ">="})


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of SQL and the values bound to it."""

    sql: str
    values: tuple[Value, ...] = ()


class _Token(NamedTuple):
    kind: str
    text: str


class _Operand(NamedTuple):
    sql: str
    values: tuple[Value, ...]
    kind: FieldKind
    is_field: bool


def parse_filter(text: str, fields: Mapping[str, FieldKind]) -> Condition:
    """Translate a CQL2 text filter.

    Parameters
    ----------
    text
        The filter.
    fields
        Kinds of the fields that it may name.

    Raises
    ------
    UsageError
        The filter is too long, breaks the grammar, names an unknown field, or compares a field with a value of
        another kind.
    """
    if len(text) > _LONGEST:
        raise _wrong(f"longer than {_LONGEST} characters", f"超过 {_LONGEST} 个字符")
    parser = _Parser(_tokens(text), fields)
    sql, values = parser.expression(0)
    parser.end()
    return Condition(sql, values)


def equal_to(name: str, text: str, fields: Mapping[str, FieldKind]) -> Condition:
    """Return the condition that a field equals what a query parameter of its name says.

    Raises
    ------
    UsageError
        The text is no value of the field's kind.
    """
    kind = fields[name]
    try:
        value: Value = _boolean(text) if kind == "boolean" else text if kind == "string" else _number(text)
    except ValueError as error:
        raise UsageError(f"{name} is a {kind}, which {text[:40]!r} is not",
                         f"{name} 的类型为 {kind}，{text[:40]!r} 不符") from error
    return Condition(f"t.{quoted(name)} = ?", (value,))


def quoted(name: str) -> str:
    """Return a name as SQL."""
    return '"' + name.replace('"', '""') + '"'


@dataclass
class _Parser:
    tokens: list[_Token]
    fields: Mapping[str, FieldKind]
    at: int = field(default=0)

    def expression(self, depth: int) -> tuple[str, tuple[Value, ...]]:
        return self._joined("OR", depth)

    def end(self) -> None:
        if self.at < len(self.tokens):
            raise self._unexpected()

    def _joined(self, word: str, depth: int) -> tuple[str, tuple[Value, ...]]:
        if depth > _DEEPEST:
            raise _wrong(f"nested deeper than {_DEEPEST}", f"嵌套超过 {_DEEPEST} 层")
        parts = []
        while True:
            parts.append(self._joined("AND", depth) if word == "OR" else self._factor(depth))
            if not self._take(word):
                break
        sql = f" {word} ".join(part for part, _ in parts)
        values = tuple(value for _, own in parts for value in own)
        return (f"({sql})" if len(parts) > 1 else sql), values

    def _factor(self, depth: int) -> tuple[str, tuple[Value, ...]]:
        if depth > _DEEPEST:
            raise _wrong(f"nested deeper than {_DEEPEST}", f"嵌套超过 {_DEEPEST} 层")
        if self._take("NOT"):
            sql, values = self._factor(depth + 1)
            return f"(NOT {sql})", values
        if self._take("("):
            found = self.expression(depth + 1)
            self._need(")")
            return found
        return self._predicate()

    def _predicate(self) -> tuple[str, tuple[Value, ...]]:
        left = self._operand()
        following = self._peek()
        if following.text in _RELATIONS and following.kind == "mark":
            self.at += 1
            return self._compared(left, following.text, self._operand())
        if not left.is_field:
            if left.kind == "boolean":
                return left.sql, left.values
            raise self._unexpected()
        return self._tested(left)

    def _tested(self, left: _Operand) -> tuple[str, tuple[Value, ...]]:
        if self._take("IS"):
            is_not = "NOT " if self._take("NOT") else ""
            self._need("NULL")
            return f"{left.sql} IS {is_not}NULL", ()
        is_not = "NOT " if self._take("NOT") else ""
        if self._take("LIKE"):
            pattern = self._literal(left)
            if left.kind != "string":
                raise _wrong("LIKE compares text", "LIKE 只能用于文本字段")
            return f"{left.sql} {is_not}LIKE ? ESCAPE '\\'", pattern.values
        if self._take("BETWEEN"):
            low = self._literal(left)
            self._need("AND")
            return f"{left.sql} {is_not}BETWEEN ? AND ?", low.values + self._literal(left).values
        if self._take("IN"):
            self._need("(")
            members = [self._literal(left)]
            while self._take(","):
                members.append(self._literal(left))
            self._need(")")
            slots = ", ".join("?" for _ in members)
            return f"{left.sql} {is_not}IN ({slots})", tuple(v for m in members for v in m.values)
        if left.kind == "boolean" and not is_not:
            return left.sql, ()
        raise self._unexpected()

    def _compared(self, left: _Operand, relation: str, right: _Operand) -> tuple[str, tuple[Value, ...]]:
        if not (left.is_field or right.is_field):
            raise _wrong("a comparison without a field", "比较式中没有字段")
        _check_kinds(left, right)
        return f"{left.sql} {relation} {right.sql}", left.values + right.values

    def _literal(self, left: _Operand) -> _Operand:
        found = self._operand()
        if found.is_field:
            raise self._unexpected(back=1)
        _check_kinds(left, found)
        return found

    def _operand(self) -> _Operand:
        token = self._peek()
        self.at += 1
        if token.kind == "number":
            value = _number(token.text)
            return _Operand("?", (value,), "integer" if isinstance(value, int) else "number", is_field=False)
        if token.kind == "text":
            return _Operand("?", (token.text[1:-1].replace("''", "'"),), "string", is_field=False)
        upper = token.text.upper()
        if token.kind == "word" and upper in ("TRUE", "FALSE"):
            return _Operand("?", (upper == "TRUE",), "boolean", is_field=False)
        if token.kind == "word" and upper in ("DATE", "TIMESTAMP") and self._take("("):
            moment = self._operand()
            self._need(")")
            return moment
        if token.kind == "quoted" or (token.kind == "word" and upper not in _WORDS):
            return self._field(token)
        raise self._unexpected(back=1)

    def _field(self, token: _Token) -> _Operand:
        name = token.text[1:-1].replace('""', '"') if token.kind == "quoted" else token.text
        if name not in self.fields:
            raise _wrong(f"unknown field {name[:40]!r}", f"没有字段 {name[:40]!r}")
        return _Operand(f"t.{quoted(name)}", (), self.fields[name], is_field=True)

    def _peek(self) -> _Token:
        return self.tokens[self.at] if self.at < len(self.tokens) else _Token("end", "")

    def _take(self, text: str) -> bool:
        token = self._peek()
        if token.kind in ("word", "mark") and token.text.upper() == text:
            self.at += 1
            return True
        return False

    def _need(self, text: str) -> None:
        if not self._take(text):
            raise self._unexpected()

    def _unexpected(self, back: int = 0) -> UsageError:
        at = self.at - back
        found = self.tokens[at].text[:40] if at < len(self.tokens) else ""
        if found:
            return _wrong(f"{found!r} is not expected there", f"此处不应出现 {found!r}")
        return _wrong("it ends too early", "表达式不完整")


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    stripped = text.rstrip()
    while at < len(stripped):
        match = _TOKEN.match(stripped, at)
        if match is None or match.lastgroup is None:
            rest = stripped[at:].lstrip()[:20]
            raise _wrong(f"{rest!r} cannot be read", f"无法识别 {rest!r}")
        found.append(_Token(match.lastgroup, match[match.lastgroup]))
        at = match.end()
        if len(found) > _MOST_TOKENS:
            raise _wrong(f"more than {_MOST_TOKENS} words", f"超过 {_MOST_TOKENS} 个词")
    return found


def _check_kinds(left: _Operand, right: _Operand) -> None:
    number = ("number", "integer")
    if left.kind == right.kind or (left.kind in number and right.kind in number):
        return
    raise _wrong(f"a {left.kind} cannot be compared with a {right.kind}", f"{left.kind} 不能与 {right.kind} 比较")


def _number(text: str) -> int | float:
    if re.fullmatch(r"[+-]?\d{1,19}", text, flags=re.ASCII) and abs(int(text)) <= _LARGEST_WHOLE:
        return int(text)
    if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", text, flags=re.ASCII):
        raise ValueError(text)
    return float(text)


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _wrong(en: str, zh: str) -> UsageError:
    return UsageError(f"filter: {en}; write CQL2 text such as large_score > 0.8 AND zone = 'core'",
                      f"filter：{zh}；请使用 CQL2 文本，例如 large_score > 0.8 AND zone = 'core'")
