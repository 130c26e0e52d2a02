"""What people see: the map, the report and the files of a finished study."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maps.outputs import Written, check_writable, write_outputs

__all__ = ["Written", "check_writable", "write_outputs"]


def __getattr__(name: str) -> object:
    """Import the room's front door when it is first used: it draws in all the libraries of the map."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from maps import outputs

    return getattr(outputs, name)
