"""The only place that keeps files between runs: finished parts of a run, for when it is stopped and resumed.

A part is kept under a key over everything that it was made of; a part of another key is stale, is never
returned, and is removed. A file is written beside its place and renamed when it is whole, and carries a
checksum, so that half a file, a damaged one, or one that failed is as good as none.
"""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gis.errors import ExportError

_MAGIC = b"suanzhi part 1\n"
_DIGEST_BYTES = 32
_KEY_DIGITS = 32


def key_of(ingredients: Iterable[str | bytes]) -> str:
    """Return a key over everything that a part is made of, in hexadecimal.

    Parameters
    ----------
    ingredients
        Texts and bytes in a fixed order; where one ends and the next begins counts.
    """
    digest = hashlib.sha256()
    for ingredient in ingredients:
        data = ingredient.encode() if isinstance(ingredient, str) else ingredient
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


class PartStore:
    """Finished parts of one run, in a folder.

    Parameters
    ----------
    folder
        Made when the first part is kept; parts of other keys in it are removed at once.
    key
        What the parts were made of (:func:`key_of`).

    Raises
    ------
    ExportError
        Stale parts cannot be removed.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self._own = folder / key[:_KEY_DIGITS]
        self._key = key.encode()
        with _foreign_errors(folder):
            for stale in sorted(folder.glob("*")) if folder.is_dir() else []:
                if stale != self._own:
                    _remove(stale)

    def get(self, number: int) -> dict[str, NDArray[Any]] | None:
        """Return the columns of a part; None where it is not there, or not whole."""
        try:
            content = self._path(number).read_bytes()
        except OSError:
            return None
        head, body = content[:len(_MAGIC) + _DIGEST_BYTES], content[len(_MAGIC) + _DIGEST_BYTES:]
        if head != _MAGIC + self._digest(number, body):
            return None
        with np.load(io.BytesIO(body), allow_pickle=False) as held:
            return _unpacked(held)

    def put(self, number: int, columns: Mapping[str, NDArray[Any]]) -> None:
        """Keep the columns of a part.

        Raises
        ------
        ExportError
            The folder cannot be written; what is half written is removed.
        """
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **_packed(columns))
        body = file.getvalue()
        path = self._path(number)
        beside = path.with_suffix(".partial")
        with _foreign_errors(self.folder):
            self._own.mkdir(parents=True, exist_ok=True)
            try:
                beside.write_bytes(_MAGIC + self._digest(number, body) + body)
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self._own / f"{number:06d}.part"

    def _digest(self, number: int, body: bytes) -> bytes:
        """Return a checksum that also tells of which run and part this is: a file that was moved is no part."""
        return hashlib.sha256(self._key + b"%d\n" % number + body).digest()


def _packed(columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return arrays that hold each distinct column once, and one that holds the same value throughout as that value.

    Rules and criteria of several classes ask the same of a candidate, and what no layer tells of is
    unknown to all: a part shrinks to a third. Columns are compared by their bytes, so that what comes
    back is the same to the last bit.
    """
    packed: dict[str, NDArray[Any]] = {"names": np.array([name.encode() for name in columns], dtype=np.bytes_)}
    known: dict[tuple[str, bytes], int] = {}
    for place, values in enumerate(columns.values()):
        codes = []
        for column in values.reshape(len(values), -1).T if values.size else ():
            content = column.tobytes()
            is_constant = content == content[:values.itemsize] * len(column)
            key = (values.dtype.str, content[:values.itemsize] if is_constant else content)
            if key not in known:
                packed[f"column{len(known)}"] = column[:1] if is_constant else np.ascontiguousarray(column)
                known[key] = len(known)
            codes.append(known[key])
        packed[f"codes{place}"] = np.array(codes, dtype=np.int32)
        packed[f"like{place}"] = np.empty((0, *values.shape[1:]), dtype=values.dtype)
        packed[f"shape{place}"] = np.array(values.shape, dtype=np.int64)
    return packed


def _unpacked(packed: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the columns of which :func:`_packed` made ``packed``."""
    found = {}
    for place, name in enumerate(packed["names"]):
        values = np.empty(packed[f"shape{place}"], dtype=packed[f"like{place}"].dtype)
        flat = values.reshape(len(values), -1) if values.size else values
        for at, code in enumerate(packed[f"codes{place}"]):
            flat[:, at] = packed[f"column{code}"]
        found[bytes(name).decode()] = values
    return found


def remove_parts(folder: Path) -> None:
    """Remove every part of a run that is finished; what cannot be removed is as good as stale."""
    with suppress(OSError):
        _remove(folder)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _foreign_errors(folder: Path) -> Iterator[None]:
    """Turn what the file system says into a sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ExportError(
            f"cannot keep finished parts in {folder}: {reason}; free some space, or run without --resume",
            f"无法在 {folder} 保存已完成的分区：{reason}；请释放磁盘空间，或去掉 --resume 重新运行") from error
