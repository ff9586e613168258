"""Files joined from texts of different widths, and escapes to wide characters."""

from pathlib import Path

import pytest

from charrnn.verdict.findings import Finding
from charrnn.verdict.judge import judge

FRENCH = "Le garçon était déjà près de la forêt où l'été s'achève; {} fois, dit-il.\n"
RUSSIAN = "Мороз и солнце; день чудесный номер {}! Ещё ты дремлешь, друг прелестный.\n"
KANA = "これはひらがなのぶんしょうです。カタカナモアリマスヨ。{}\n"
HAN = "床前明月光疑是地上霜舉頭望明月低頭思故鄉白日依山盡黃河入海流{}\n"
TEXTS = {"fr": FRENCH, "ru": RUSSIAN, "kana": KANA, "han": HAN}


def text(name: str, lines: int = 40) -> str:
    return "".join(TEXTS[name].format(k) for k in range(lines))


def encoding_of(data: bytes, encoding: str = "utf-8") -> Finding:
    (found,) = [
        one
        for one in judge([("some.txt", data)], encoding=encoding).findings
        if one.check == "encoding"
    ]
    return found


@pytest.mark.parametrize("narrow", ["utf-8", "cp1252"])
@pytest.mark.parametrize("wide", ["utf-16", "utf-16-le", "utf-16-be", "utf-32-le"])
@pytest.mark.parametrize("first", ["narrow", "wide"])
def test_joined_texts_of_different_widths_are_reported(narrow: str, wide: str, first: str) -> None:
    parts = [text("fr").encode(narrow), text("fr").encode(wide)]
    found = encoding_of(b"".join(parts if first == "narrow" else parts[::-1]))
    assert found.severity == "mend"
    assert "two files joined" in found.text
    assert f"it is {wide.upper()}" in found.text.replace("is it", "it is")
    if first == "narrow":
        assert "from line 41 on" in found.text
    assert found.measured["candidates"] == []
    assert "convert each part to UTF-8" in found.advice[0]


def test_joined_texts_of_two_byte_orders_are_reported() -> None:
    """The second mark is then a character that no text has."""
    other = b"\xfe\xff" + text("fr").encode("utf-16-be")
    found = encoding_of(text("fr").encode("utf-16-le").join([b"\xff\xfe", other]))
    assert found.severity == "mend"
    assert "byte order changes at line 41: two files joined" in found.text


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_whole_text_is_not_reported_as_joined(name: str, encoding: str, mark: str) -> None:
    found = encoding_of((mark + text(name)).encode(encoding))
    assert "joined" not in found.text
    if mark:
        assert found.severity == "fine"
    else:
        assert found.measured["candidates"][0]["encoding"] == encoding


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_bytes_that_look_like_letters_are_not_a_separate_text(encoding: str) -> None:
    """In UTF-16 half of the bytes of kana look so, and the first line has no NUL."""
    kana = "".join(
        "あいうえおかきくけこさしすちつてとなにぬねのはひふへん"[k % 9 :] * 2 + "\n"
        for k in range(40)
    )
    found = encoding_of(kana.encode(encoding))
    assert found.measured["candidates"][0]["encoding"] == encoding


def test_no_encoding_with_unassigned_characters_is_suggested() -> None:
    """Without a line end before the join, it is only certain that it is not UTF-16."""
    one_line = text("fr").replace("\n", " ").encode()
    found = encoding_of(one_line + text("fr").encode("utf-16-le"))
    assert found.measured["candidates"] == []


@pytest.mark.parametrize(
    ("encoding", "line"), [("iso2022_jp", "吾輩は猫である。\n"), ("hz", "床前明月光\n")]
)
def test_escapes_from_ascii_are_read(encoding: str, line: str) -> None:
    data = (line * 30).encode(encoding)
    assert data.isascii()
    found = encoding_of(data)
    assert found.severity == "mend"
    assert found.measured["candidates"][0] == {"encoding": encoding, "excerpt": line.strip()}
    assert encoding_of(data, encoding).severity == "fine"


@pytest.mark.parametrize(
    "ascii_text", ["a ~{ b\n", "a ~{ b ~} c\n", "\x1b$ and\n", "~{ab}~\n", "~{VP\n", "~{~}\n"]
)
def test_ascii_with_escape_like_signs_is_ascii(ascii_text: str) -> None:
    found = encoding_of((ascii_text * 40).encode())
    assert found.severity == "fine", found.text


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "cp1251", "koi8-r", "shift_jis"])
def test_the_suggested_encoding_gives_the_text(encoding: str, tmp_path: Path) -> None:
    pytest.importorskip("chardet", "7.4")
    own = {"cp1251": "ru", "koi8-r": "ru", "shift_jis": "kana"}.get(encoding, "fr")
    data = text(own).encode(encoding)
    for one in encoding_of(data).measured["candidates"]:
        assert data.decode(one["encoding"]) == text(own)
