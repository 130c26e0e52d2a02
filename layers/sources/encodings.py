"""In which encoding a text is, where what it claims may be wrong.

A Chinese shapefile has lost its .cpg as a rule, or has got one that a converter invented. So a claim
is tried, not believed: a decoding counts as evidence for itself when its letters are the everyday ones
of a Chinese text, and against itself when they are the rare ones that a wrong decoding makes up.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from gis.bilingual import Text

_FALLBACKS = ("utf-8", "gb18030")
_SAMPLE_BYTES = 1 << 18

# A claim is dropped only for another encoding that makes clearly better sense of the text.
_CLEARLY_BETTER = 0.25
_EVERYDAY_MARKS = frozenset("，。、；：？！（）《》〈〉“”‘’—…·【】〔〕「」『』〇℃°²³㎡㎞×±≥≤Φφ№ⅠⅡⅢⅣⅤ①②③④⑤～－／　")


@dataclass(frozen=True, slots=True)
class Claim:
    """An encoding that somebody names."""

    encoding: str
    """Its name, as given."""

    by_zh: str
    """Who says so, in Chinese."""

    by_en: str
    """Who says so, in English."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The encoding to read a text in."""

    encoding: str
    """A Python codec name; empty where no encoding fits."""

    note: Text | None
    """What was used and why, where that is worth a word."""


def choose_encoding(texts: Sequence[bytes], claims: Iterable[Claim]) -> Choice:
    """Choose the encoding that makes sense of texts.

    Parameters
    ----------
    texts
        Pieces of text, each of which may end in the middle of a letter (fields of fixed width do).
    claims
        Who says what, the most trusted first.

    Returns
    -------
    Choice
        The first claim that decodes the texts, unless UTF-8 or GB18030 makes clearly better sense of
        them; the encoding is empty where none decodes them.
    """
    sample = _sample(texts)
    claims = list(claims)
    if not sample:
        return Choice(_codec(claims[0].encoding) or "utf-8" if claims else "utf-8", None)
    scores: dict[str, float] = {}
    for name in [*(_codec(claim.encoding) for claim in claims), *_FALLBACKS]:
        if name and name not in scores:
            scores[name] = sense(sample, name)
    usable = {name: score for name, score in scores.items() if score >= 0.0}
    if not usable:
        return Choice("", None)
    best = max(usable, key=lambda name: (usable[name], -list(usable).index(name)))
    for claim in claims:
        name = _codec(claim.encoding)
        if name in usable and usable[best] - usable[name] < _CLEARLY_BETTER:
            return Choice(name, None if claim is claims[0] else _note(name, claims[:claims.index(claim)], scores))
    return Choice(best, _note(best, claims, scores))


def sense(texts: Iterable[bytes], encoding: str) -> float:
    """Tell how much sense texts make in an encoding.

    Returns
    -------
    float
        Share of the letters beyond ASCII that an everyday Chinese (or accented) text would have, 0 to
        1; 1 where there are none; -1 where the bytes are not of that encoding.
    """
    n_everyday = n_letters = 0
    for text in texts:
        try:
            decoded = codecs.getincrementaldecoder(encoding)("strict").decode(text, final=False)
        except (UnicodeDecodeError, LookupError):
            return -1.0
        for place, letter in enumerate(decoded):
            if letter > "\x7f":
                n_letters += 1
                n_everyday += _is_everyday(decoded, place)
    return n_everyday / n_letters if n_letters else 1.0


def decode_cut(text: bytes, encoding: str) -> str:
    """Decode a field of fixed width, without the half letter that may stand at its end."""
    return codecs.getincrementaldecoder(encoding)("replace").decode(text, final=False)


def _is_everyday(text: str, place: int) -> bool:
    letter = text[place]
    if letter in _EVERYDAY_MARKS:
        return True
    if "一" <= letter <= "鿿":
        # The 6763 characters of GB 2312 hold nearly all of a Chinese text; wrong decodings scatter over all 20 902.
        return _is_in_gb2312(letter)
    if "\u00c0" <= letter <= "\u024f":
        # An accented letter stands between plain ones; a row of them is Chinese seen through a Latin code page.
        return not any(near > "\x7f" for near in text[max(place - 1, 0):place] + text[place + 1:place + 2])
    return "！" <= letter <= "～"


@cache
def _is_in_gb2312(letter: str) -> bool:
    try:
        letter.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def _sample(texts: Sequence[bytes]) -> list[bytes]:
    """Return the texts that hold more than ASCII, up to a size that is enough to judge by."""
    found: list[bytes] = []
    size = 0
    for text in texts:
        if text.isascii():
            continue
        found.append(text)
        size += len(text)
        if size > _SAMPLE_BYTES:
            break
    return found


def _codec(name: str) -> str:
    """Return Python's name of an encoding, or nothing; GBK and GB 2312 are read as GB18030, which holds them."""
    plain = name.strip().lower().removeprefix("encoding=").replace("ansi 936", "gb18030")
    plain = f"cp{plain}" if plain.isdecimal() else plain
    try:
        "".encode(plain)  # base64 and its like are codecs, but no encodings of text
        found = codecs.lookup(plain).name
    except (LookupError, ValueError):
        return ""
    return "gb18030" if found in ("gbk", "gb2312", "cp936") else found


def _note(used: str, refused: Sequence[Claim], scores: dict[str, float]) -> Text:
    """Say what was used, and why not what was claimed."""
    shown = used.upper()
    if not refused:
        return Text(zh=f"文字编码未声明，按 {shown} 读取", en=f"no encoding is declared; read as {shown}")
    whys_zh, whys_en = [], []
    for claim in refused:
        codec = _codec(claim.encoding)
        is_known, is_possible = bool(codec), scores.get(codec, -1.0) >= 0.0
        zh, en = (("无此编码", "which is no encoding") if not is_known
                  else ("会产生乱码", "which garbles the text") if is_possible
                  else ("与实际字节不符", "which the bytes are not"))
        whys_zh.append(f"{claim.by_zh}声明 {claim.encoding}，{zh}")
        whys_en.append(f"{claim.by_en} says {claim.encoding}, {en}")
    return Text(zh=f"按 {shown} 读取文字：{'；'.join(whys_zh)}",
                en=f"text read as {shown}: {'; '.join(whys_en)}")
