"""Words of a reader's language for what the layers tell in English."""

from __future__ import annotations

import pytest

from siting.wording import datum_word


@pytest.mark.parametrize(("note", "chinese"), [
    ("gcj02 (declared)", "gcj02（方案声明）"),
    ("cgcs2000 (known from tianditu)", "cgcs2000（来源已知：tianditu）"),
    ("cgcs2000 (from EPSG:4547)", "cgcs2000（由坐标系得知：EPSG:4547）"),
    ("wgs84 (declared); axes swapped (declared)", "wgs84（方案声明）；已按声明交换坐标轴"),
    ("", ""),
])
def test_datum_of_a_layer(note: str, chinese: str) -> None:
    assert datum_word(note, "zh") == chinese
    assert datum_word(note, "en") == note
