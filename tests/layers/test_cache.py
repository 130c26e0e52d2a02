"""Parts come back as they were, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from gis.errors import ExportError
from layers.cache import PartStore, key_of, remove_parts

COLUMNS = {"large/raw": np.array([[1.0, np.nan], [np.inf, -0.0]]), "unit": np.array([3, -1], dtype=np.int32),
           "large/permission": np.array([0, -1], dtype=np.int16), "empty": np.empty((2, 0))}


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def assert_same(found: dict[str, np.ndarray] | None) -> None:
    assert found is not None
    assert list(found) == list(COLUMNS)
    for name, values in COLUMNS.items():
        assert (found[name].dtype, found[name].shape) == (values.dtype, values.shape)
        assert found[name].tobytes() == values.tobytes()


def test_a_part_comes_back_to_the_bit(tmp_path: Path) -> None:
    PartStore(tmp_path / "parts", "a" * 64).put(7, COLUMNS)
    later = PartStore(tmp_path / "parts", "a" * 64)
    assert_same(later.get(7))
    assert later.get(6) is None


def test_nothing_is_made_before_a_part_is_kept(tmp_path: Path) -> None:
    store = PartStore(tmp_path / "parts", "a" * 64)
    assert store.get(0) is None
    assert not list(tmp_path.iterdir())


def test_parts_of_another_key_are_removed_and_not_returned(tmp_path: Path) -> None:
    PartStore(tmp_path / "parts", "a" * 64).put(0, COLUMNS)
    (tmp_path / "parts" / "stray").write_text("")
    other = PartStore(tmp_path / "parts", "b" * 64)
    assert other.get(0) is None
    assert not files(tmp_path)


@pytest.mark.parametrize("at", [0, 20, 60, -1])
def test_a_damaged_part_is_none(tmp_path: Path, at: int) -> None:
    store = PartStore(tmp_path, "a" * 64)
    store.put(0, COLUMNS)
    (path,) = files(tmp_path)
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    assert store.get(0) is None


@pytest.mark.parametrize("length", [0, 5, 40, 300])
def test_half_a_part_is_none(tmp_path: Path, length: int) -> None:
    store = PartStore(tmp_path, "a" * 64)
    store.put(0, COLUMNS)
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes()[:length])
    assert store.get(0) is None


def test_a_part_in_the_place_of_another_is_none(tmp_path: Path) -> None:
    store = PartStore(tmp_path, "a" * 64)
    store.put(0, COLUMNS)
    (path,) = files(tmp_path)
    path.rename(path.with_name(path.name.replace("000000", "000001")))
    assert store.get(1) is None


def test_a_part_that_fails_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = PartStore(tmp_path, "a" * 64)
    store.put(0, COLUMNS)

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:50])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ExportError, match="No space left"):
        store.put(1, COLUMNS)
    assert len(files(tmp_path)) == 1
    assert store.get(1) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ExportError):
        PartStore(tmp_path / "parts", "a" * 64).put(0, COLUMNS)


def test_file_in_the_way_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "parts").write_text("")
    with pytest.raises(ExportError, match="run without --resume"):
        PartStore(tmp_path / "parts", "a" * 64).put(0, COLUMNS)


def test_objects_are_refused(tmp_path: Path) -> None:
    """A part is read without running anything that is in it."""
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        PartStore(tmp_path, "a" * 64).put(0, {"a": np.array([object()])})


def test_removing(tmp_path: Path) -> None:
    PartStore(tmp_path / "parts", "a" * 64).put(0, COLUMNS)
    remove_parts(tmp_path / "parts")
    assert not list(tmp_path.iterdir())
    remove_parts(tmp_path / "parts")


def test_key_tells_ingredients_apart() -> None:
    keys = {key_of(i) for i in (["ab", "c"], ["a", "bc"], ["abc"], ["c", "ab"], [], ["ab", "c", ""])}
    assert len(keys) == 6
    assert key_of(["ab", b"c"]) == key_of(["ab", "c"])
