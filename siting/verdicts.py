"""What a test of the model against what exists can find."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from gis.bilingual import Text

Verdict = Literal["agrees", "in_part", "disagrees", "untested"]

VERDICT_TEXT: Mapping[str, Text] = MappingProxyType({
    "agrees": Text(zh="相符", en="agrees"), "in_part": Text(zh="部分相符", en="agrees in part"),
    "disagrees": Text(zh="不符", en="does not agree"), "untested": Text(zh="无法检验", en="could not be tested"),
})
"""Verdicts in a reader's words."""
