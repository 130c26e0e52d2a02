"""The waits that servers ask for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from layers.sources.retry_after import retry_after_s


@pytest.mark.parametrize(("text", "wanted"), [
    ("0", 0.0), (" 25 ", 25.0), ("", None), ("soon", None), ("-3", None), ("1" * 12, None), ("٣", None),
    ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)])
def test_numbers_and_what_is_none(text: str, wanted: float | None) -> None:
    assert retry_after_s(text) == wanted


@pytest.mark.parametrize("zone", ["GMT", "-0000"])
def test_dates_are_told_from_now_on(zone: str) -> None:
    later = datetime.now(UTC) + timedelta(seconds=90)
    found = retry_after_s(f"{later:%a, %d %b %Y %H:%M:%S} {zone}")
    assert found is not None
    assert 85 < found <= 90
