"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gis.errors import ExportError

_DISK_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def replace_file(path: Path | str) -> Iterator[Path]:
    """Let the block write a file beside ``path`` and put it in its place when the block is done.

    Folders on the way are made. When the block fails, the unfinished file is removed and the old
    one stays as it was.

    Parameters
    ----------
    path
        The file to write.

    Yields
    ------
    Path
        The file that the block must write; its name ends in ``.partial``.

    Raises
    ------
    ExportError
        The folder or the file cannot be written, or the disk is full.
    """
    target = Path(path)
    partial = target.with_name(target.name + ".partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, target)  # noqa: PTH105 - the atomic call, by its own name
    except OSError as error:
        _remove(partial)
        raise _cannot_write(target, error) from error
    except BaseException:
        _remove(partial)
        raise


def write_text(path: Path | str, text: str, *, encoding: str = "utf-8") -> Path:
    """Write ``text`` with the line ends it has, whole or not at all.

    Parameters
    ----------
    path
        The file to write.
    text
        Its content.
    encoding
        Text encoding; ``utf-8-sig`` for what Excel opens.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ExportError
        The file cannot be written.
    """
    # A lone surrogate, left over from a file in the wrong encoding, must not cost the whole output.
    return write_bytes(path, text.encode(encoding, errors="replace"))


def write_bytes(path: Path | str, content: bytes) -> Path:
    """Write ``content`` whole or not at all.

    Parameters
    ----------
    path
        The file to write.
    content
        Its bytes.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ExportError
        The file cannot be written.
    """
    with replace_file(path) as partial:
        partial.write_bytes(content)
    return Path(path)


def _remove(partial: Path) -> None:
    # Whatever keeps the rest from being removed is less news than the error that is under way.
    try:
        partial.unlink(missing_ok=True)
    except OSError:
        return


def _cannot_write(path: Path, error: OSError) -> ExportError:
    if error.errno in _DISK_FULL:
        return ExportError(
            f"cannot write {path}: the disk is full; free some space or choose another folder",
            f"无法写入 {path}：磁盘已满；请清理空间或换一个输出目录",
        )
    if error.errno in _NOT_ALLOWED:
        return ExportError(
            f"cannot write {path}: no permission; close the file in other programs or choose another folder",
            f"无法写入 {path}：没有写入权限；请关闭占用该文件的程序，或换一个输出目录",
        )
    reason = error.strerror or type(error).__name__
    return ExportError(
        f"cannot write {path}: {reason}; choose another folder",
        f"无法写入 {path}：{reason}；请换一个输出目录",
    )
