from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.sources.encodings import Choice, Claim, choose_encoding, decode_cut, sense

TEXTS = ("嵩山变电站", "郑州市中原区桐柏路", "官渡路地块二号（东）", "plain ascii", "")


def _choose(encoding: str, *claims: str, texts: tuple[str, ...] = TEXTS) -> Choice:
    return choose_encoding([text.encode(encoding) for text in texts],
                           [Claim(claim, "方案文件", "the study file") for claim in claims])


@pytest.mark.parametrize("claim", ["", "UTF-8", "GBK", "GB18030", "ISO-8859-1", "1252", "cp437", "Big5", "ANSI 936",
                                   "nonsense", "base64"])
@pytest.mark.parametrize(("written", "read"), [("utf-8", "utf-8"), ("gbk", "gb18030"), ("gb18030", "gb18030")])
def test_no_claim_garbles_a_chinese_text(written: str, read: str, claim: str) -> None:
    assert _choose(written, *([claim] if claim else [])).encoding == read


@pytest.mark.parametrize("word", ["嵩山", "商业", "中原区", "变电站", "工业用地"])
def test_one_short_word_in_utf8_is_not_taken_for_the_gbk_that_is_declared(word: str) -> None:
    # Two characters of UTF-8 are three of GBK, so that these decode without an error, but to nonsense.
    assert _choose("utf-8", "GBK", texts=(word,)).encoding == "utf-8"


def test_notes_say_what_was_used_and_why() -> None:
    assert _choose("gbk", "GBK").note is None
    assert _choose("gbk").note == _choose("gbk", texts=("联通",)).note
    silent, wrong = _choose("gbk").note, _choose("gbk", "UTF-8").note
    assert silent is not None and "no encoding is declared; read as GB18030" in silent.en
    assert wrong is not None
    assert wrong.en == "text read as GB18030: the study file says UTF-8, which the bytes are not"
    assert wrong.zh == "按 GB18030 读取文字：方案文件声明 UTF-8，与实际字节不符"
    assert "garbles" in (_choose("gbk", "1252").note or silent).en
    assert "no encoding" in (_choose("gbk", "nonsense").note or wrong).en


def test_second_claim_is_used_where_the_first_is_wrong() -> None:
    choice = _choose("big5", "UTF-8", "Big5", texts=("臺北市變電所",))
    assert choice.encoding == "big5"
    assert choice.note is not None and "UTF-8" in choice.note.en


def test_honest_latin_text_stays() -> None:
    assert _choose("latin-1", "ISO-8859-1", texts=("Café", "München Süd")).encoding == "iso8859-1"


def test_rare_characters_are_read_as_the_only_encoding_that_has_them() -> None:
    assert _choose("gb18030", texts=("㙍塬镇", "䢺")).encoding == "gb18030"


def test_nothing_fits() -> None:
    assert choose_encoding([b"\xff\xff\xff"], [Claim("UTF-8", "", "")]) == Choice("", None)
    assert choose_encoding([b"plain"], []).encoding == "utf-8"


@given(st.text(alphabet="嵩山变电站郑州市中原区桐柏路官渡地块工业用", min_size=1, max_size=30), st.integers(1, 60))
def test_letter_cut_at_the_end_of_a_field_does_no_harm(text: str, width: int) -> None:
    for encoding in ("utf-8", "gb18030"):
        cut = text.encode(encoding)[:width]
        assert sense([cut], encoding) == 1.0
        assert text.startswith(decode_cut(cut, encoding))
