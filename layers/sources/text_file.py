"""GeoJSON and KML are text: they must be UTF-8 for GDAL, whatever a Chinese system wrote them in."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from gis.bilingual import Text
from gis.errors import LayerError
from layers.sources.encodings import Claim, choose_encoding
from layers.types import LayerSpec

_BLOCK_BYTES = 1 << 20
_XML_HEAD = re.compile(r"(<\?xml[^>]*encoding=[\"'])([^\"']+)")


def in_utf8(path: Path, spec: LayerSpec, folder: Path) -> tuple[Path, tuple[Text, ...]]:
    """Return a text file in UTF-8: itself, or a copy of it.

    Parameters
    ----------
    path
        GeoJSON or KML.
    spec
        ``encoding``, where the study declares one.
    folder
        Where the copy is made.

    Returns
    -------
    tuple
        The file to read, and what was done where that is worth a word.

    Raises
    ------
    LayerError
        The text is in no encoding that was tried.
    """
    if _is_utf8(path):
        # What decodes as UTF-8 beyond ASCII is UTF-8; a declaration to the contrary would garble it.
        is_contrary = bool(spec.encoding) and spec.encoding.lower().replace("_", "-") not in ("utf-8", "utf8")
        note = Text(zh=f"按 UTF-8 读取文字：方案文件声明 {spec.encoding}，与实际字节不符",
                    en=f"text read as UTF-8: the study file says {spec.encoding}, which the bytes are not")
        return path, (note,) if is_contrary and not _is_ascii(path) else ()
    content = path.read_bytes()
    notes: tuple[Text, ...]
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding, notes = "utf-16", (Text(zh="按 UTF-16 读取文字", en="text read as UTF-16"),)
    else:
        said = _XML_HEAD.search(content[:200].decode("latin-1"))
        claims = [Claim(spec.encoding, "方案文件", "the study file")] if spec.encoding else []
        claims += [Claim(said[2], "文件头", "the file's head")] if said else []
        choice = choose_encoding(content.splitlines(), claims)
        encoding, notes = choice.encoding, (choice.note,) if choice.note else ()
    try:
        text = content.decode(encoding or "utf-8")
    except UnicodeError as error:
        raise LayerError(
            f"layer {spec.name!r}: the text of {path} is in no encoding that was tried (UTF-8, GB18030"
            f"{', ' + spec.encoding if spec.encoding else ''}); save it again in UTF-8",
            f"图层 {spec.name!r}：{path} 的文字不是已尝试的任何编码（UTF-8、GB18030"
            f"{'、' + spec.encoding if spec.encoding else ''}）；请以 UTF-8 重新保存",
        ) from error
    copy = folder / path.name
    copy.write_text(_XML_HEAD.sub(r"\1UTF-8", text, count=1), encoding="utf-8")
    return copy, notes


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _is_ascii(path: Path) -> bool:
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            if not block.isascii():
                return False
    return True
