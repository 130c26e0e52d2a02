"""A phrase in the two languages of the product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Language = Literal["zh", "en"]


@dataclass(frozen=True, slots=True)
class Text:
    """One phrase in Chinese and English."""

    zh: str
    """The phrase in Chinese."""

    en: str
    """The phrase in English."""

    def to(self, language: Language) -> str:
        """Return the phrase in ``language``, or in the other one where it is empty."""
        return (self.zh or self.en) if language == "zh" else (self.en or self.zh)
