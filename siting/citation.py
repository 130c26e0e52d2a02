"""Documents, and the places in them that rules rest on."""

from __future__ import annotations

from dataclasses import dataclass

from gis.bilingual import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document that rules cite."""

    document_id: str
    """Short key used in citations ("000", "GB50174-2017")."""

    title: Text
    """Its full title."""

    status: Text
    """Draft or in force, and what to check before citing it as law."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """The place in a document on which a rule rests."""

    document: str
    """Key of the document."""

    heading: str
    """Heading or clause inside it."""

    quote: str = ""
    """The sentence itself, Chinese; empty only where the rule is assumed."""

    ids: tuple[str, ...] = ()
    """Ids of the rule in the project's list of facts ("Z-10")."""
