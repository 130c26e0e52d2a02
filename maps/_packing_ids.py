"""Many parcel ids in little room: a beginning, a number, and how many digits it is written with.

Ids that do not end in digits are packed as text. Cost: a few passes over a matrix of characters, no Python per id.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MOST_DIGITS = 9
MOST_BEGINNINGS = 5_000
LONGEST = 64
_ZERO, _NINE = ord("0"), ord("9")


def pack_ids(ids: Sequence[str] | NDArray[np.object_]) -> tuple[list[str], dict[str, NDArray[Any]]]:
    """Pack ids.

    Parameters
    ----------
    ids
        n ids, any text.

    Returns
    -------
    beginnings
        What stands before the numbers; empty where the ids are packed as text.
    arrays
        ``id_beginning`` (n, index), ``id_number`` (n), ``id_digits`` (n); or, for text, ``id_text`` (UTF-8) and
        ``id_size`` (n, bytes of each).
    """
    letters = _letters(ids)
    if letters is not None:
        size = np.count_nonzero(letters, axis=1)
        digits = _trailing_digits(letters, size)
        number = _numbers(letters, size, digits)
        codes, beginnings = _beginnings(letters, size - digits)
        if digits.all() and len(beginnings) <= MOST_BEGINNINGS:
            return beginnings, {"id_beginning": codes, "id_number": number, "id_digits": digits.astype(np.uint8)}
    text = [str(i).encode("utf-8") for i in ids]
    return [], {"id_text": np.frombuffer(b"".join(text), dtype=np.uint8),
                "id_size": np.fromiter(map(len, text), dtype=np.uint32, count=len(text))}


def unpack_ids(beginnings: Sequence[str], arrays: dict[str, NDArray[Any]]) -> list[str]:
    """Read ids back: what ``panel/ids.js`` does."""
    if "id_number" in arrays:
        return [beginnings[b] + str(number).zfill(digits) for b, number, digits in
                zip(arrays["id_beginning"], arrays["id_number"], arrays["id_digits"], strict=True)]
    end = np.cumsum(arrays["id_size"], dtype=np.int64)
    text = arrays["id_text"].tobytes()
    return [text[e - s:e].decode("utf-8") for s, e in zip(arrays["id_size"], end, strict=True)]


def _letters(ids: Sequence[str] | NDArray[np.object_]) -> NDArray[np.uint8] | None:
    """Return the ASCII characters of each id, shape (n, longest), 0 behind the end; None where that cannot be."""
    if not len(ids):
        return None
    try:
        flat = np.asarray(ids, dtype="S")
    except (UnicodeEncodeError, ValueError):
        return None
    width = flat.dtype.itemsize
    letters = flat.view(np.uint8).reshape(len(flat), width)
    # A zero inside an id would be taken for its end.
    inside = (letters[:, :-1] == 0) & (letters[:, 1:] != 0)
    return None if width > LONGEST or inside.any() or not letters[:, 0].all() else letters


def _trailing_digits(letters: NDArray[np.uint8], size: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the digits at the end of each id, at most ``MOST_DIGITS``."""
    rows = np.arange(len(letters))
    count = np.zeros(len(letters), dtype=np.int64)
    goes_on = np.ones(len(letters), dtype=np.bool_)
    for back in range(1, min(MOST_DIGITS, letters.shape[1]) + 1):
        letter = letters[rows, np.maximum(size - back, 0)]
        goes_on &= (size >= back) & (letter >= _ZERO) & (letter <= _NINE)
        count += goes_on
    return count


def _numbers(letters: NDArray[np.uint8], size: NDArray[np.int64], digits: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Read the trailing digits as numbers."""
    rows = np.arange(len(letters))
    number = np.zeros(len(letters), dtype=np.int64)
    for back in range(int(digits.max(initial=0)), 0, -1):
        letter = letters[rows, np.maximum(size - back, 0)].astype(np.int64) - _ZERO
        number = np.where(digits >= back, number * 10 + letter, number)
    return number.astype(np.uint32)


def _beginnings(letters: NDArray[np.uint8], size: NDArray[np.int64]) -> tuple[NDArray[Any], list[str]]:
    """Code what stands before the digits."""
    kept = np.where(np.arange(letters.shape[1]) < size[:, None], letters, 0)
    codes, found = pd.factorize(np.ascontiguousarray(kept).view(f"S{letters.shape[1]}").ravel().astype(object))
    width = np.uint8 if len(found) < 1 << 8 else np.uint16 if len(found) < 1 << 16 else np.uint32
    return codes.astype(width), [str(text.decode("ascii")) for text in found]
