from __future__ import annotations

import errno
from pathlib import Path

import pytest

from gis.errors import ExportError
from layers.exports.files import replace_file, write_bytes, write_text


def test_file_and_its_folders_appear(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a" / "b.txt", "一\n二\n", encoding="utf-8-sig")
    assert path.read_bytes() == "\ufeff一\n二\n".encode()
    assert write_bytes(path, b"new").read_bytes() == b"new"
    assert [part.name for part in path.parent.iterdir()] == ["b.txt"]


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt()])
def test_failure_leaves_the_old_file_whole(tmp_path: Path, error: BaseException) -> None:
    path = write_bytes(tmp_path / "a", b"old")

    def fail() -> None:
        with replace_file(path) as partial:
            partial.write_bytes(b"half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("number", "word", "zh"), [
    (errno.ENOSPC, "disk is full", "磁盘已满"), (errno.EACCES, "no permission", "没有写入权限"),
    (errno.EROFS, "no permission", "没有写入权限"), (errno.EIO, "trouble", "trouble"),
])
def test_foreign_errors_are_translated(tmp_path: Path, number: int, word: str, zh: str) -> None:
    path = write_bytes(tmp_path / "a", b"old")

    def fail() -> None:
        with replace_file(path) as partial:
            partial.write_bytes(b"half")
            raise OSError(number, "trouble")

    with pytest.raises(ExportError, match=word) as caught:
        fail()
    assert zh in caught.value.message("zh")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_disk_that_is_really_full(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full on this system")

    def fill() -> None:
        with replace_file(tmp_path / "x") as _:
            full.write_bytes(b"1")

    with pytest.raises(ExportError, match="disk is full"):
        fill()


def test_target_that_is_a_folder_and_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ExportError, match="folder"):
        write_text(tmp_path / "folder", "x")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(ExportError, match="file"):
        write_text(tmp_path / "file" / "under", "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_lone_surrogate_does_not_cost_the_file(tmp_path: Path) -> None:
    assert write_text(tmp_path / "a", "a\udc80b").read_text(encoding="utf-8") == "a?b"
