"""Pairs, sentences and series from files, each fault with its row; and the alphabet of texts."""

import codecs
import hashlib
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.errors import InputError
from charrnn.text.alphabet import END, START, UNKNOWN, Alphabet
from charrnn.text.conll import Sentence, read_sentences
from charrnn.text.pairs import Pair, read_pairs
from charrnn.text.series import Series, read_series
from charrnn.text.tables import Source
from charrnn.text.vocab import Vocabulary

READERS: tuple[Callable[..., Source[Any]], ...] = (read_pairs, read_sentences, read_series)
every_reader = pytest.mark.parametrize("reader", READERS)

ODD = "a\u2028b\x0bc\x0cd\x85e\x1cf\u2029g\rh"  # what str.splitlines would tear apart


def write(folder: Path, data: bytes | str, name: str = "data.txt") -> str:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return str(path)


def fault(reader: Callable[..., object], folder: Path, data: bytes | str, **options: Any) -> str:
    """The error's message after the file's name, on one line."""
    path = write(folder, data)
    with pytest.raises(InputError) as caught:
        reader(path, **options)
    message = str(caught.value)
    assert message.startswith(repr(path)), message
    assert "\n" not in message + caught.value.hint
    assert caught.value.exit_code == 2
    return message.removeprefix(repr(path))


# All readers


@every_reader
@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n \n\n", codecs.BOM_UTF8])
def test_an_empty_file_is_refused(
    tmp_path: Path, reader: Callable[..., object], data: bytes
) -> None:
    assert fault(reader, tmp_path, data) == " is empty"


@every_reader
def test_bytes_that_are_not_utf8_are_located(tmp_path: Path, reader: Callable[..., object]) -> None:
    """A file in Latin-1. The hint says who knows that; nothing of levels, which do not help."""
    path = write(tmp_path, "a\tb\ncafé\tx\n".encode("latin-1"))
    with pytest.raises(InputError) as caught:
        reader(path)
    assert str(caught.value) == f"{path!r} is not utf-8: byte 0xe9 at offset 7 (line 2)"
    assert "charrnn inspect" in caught.value.hint
    assert "--level byte" not in caught.value.hint


@every_reader
def test_a_missing_file_and_an_unknown_encoding_are_refused(
    tmp_path: Path, reader: Callable[..., object]
) -> None:
    with pytest.raises(InputError, match="does not exist"):
        reader(str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="unknown encoding 'utf-9'"):
        reader(write(tmp_path, "1\t2\n"), encoding="utf-9")


@every_reader
def test_standard_input_is_read_and_named(reader: Callable[..., Source[Any]]) -> None:
    source = reader("-", stdin=io.BytesIO(b"1\t2\r\n"))
    assert source.path == "standard input"
    assert source.sha256 == hashlib.sha256(b"1\t2\r\n").hexdigest()
    assert source.notes == ("standard input: line ends '\\r\\n' became '\\n'",)
    with pytest.raises(InputError, match=r"^'standard input' is empty$"):
        reader("-", stdin=io.BytesIO(b""))


@every_reader
@pytest.mark.parametrize(
    ("mark", "codec"), [(codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le")]
)
def test_a_byte_order_mark_is_removed_with_a_note(
    tmp_path: Path, reader: Callable[..., Source[Any]], mark: bytes, codec: str
) -> None:
    data = mark + "1\t2\n".encode(codec)
    path = write(tmp_path, data)
    source = reader(path)
    assert source.notes == (f"{path}: byte order mark of {codec[:6].upper()} removed",)
    assert source.sha256 == hashlib.sha256(data).hexdigest()
    records = source.records
    if isinstance(records, Series):
        assert records.values.tolist() == [[1, 2]]
    elif isinstance(records[0], Pair):
        assert records == (Pair(1, "1", "2"),)
    else:
        assert records == (Sentence(1, ("1",), ("2",)),)


# Pairs


def test_pairs_are_read(tmp_path: Path) -> None:
    """Texts are not normalised, only stripped at their ends; blank lines may end a file."""
    path = write(tmp_path, "  Go. \tVa !\ne\u0301 x\t漢 🙂\t\n".replace("\t\n", "\n") + "\n \n\n")
    source = read_pairs(path)
    assert source.records == (Pair(1, "Go.", "Va !"), Pair(2, "e\u0301 x", "漢 🙂"))
    assert source.path == path
    assert source.notes == ()


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    path = write(tmp_path, f"{ODD}\t{ODD}\r\nx\ty\r\n")
    source = read_pairs(path)
    assert source.records == (Pair(1, ODD, ODD), Pair(2, "x", "y"))
    assert source.notes == (
        f"{path}: line ends '\\r\\n' became '\\n'",
        f"{path}: 2 carriage returns are characters: only '\\n' ends a line",
    )


def test_latin_1_is_read_if_given(tmp_path: Path) -> None:
    path = write(tmp_path, "café\tü\n".encode("latin-1"))
    assert read_pairs(path, encoding="latin-1").records == (Pair(1, "café", "ü"),)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("a\tb\nc d\n", ", row 2: no tab between name and country"),
        ("a\tb\nc\td\te\n", ", row 2: 3 columns, not 2"),
        ("a\tb\nc\td\t\n", ", row 2: 3 columns, not 2"),
        ("\tb\nc\td\n", ", row 1: the name is empty"),
        ("a\tb\nc\t \n", ", row 2: the country is empty"),
        ("a\tb\n\u3000\t\n", ", row 2: the name and the country is empty"),
        ("a\tb\n\nc\td\n", ", row 2: blank"),
        ("a\tb\n\r\n \nc\td\n", ", row 2: blank (and 1 more bad row)"),
        (
            "a\tb\nc\n\nd\t\ne\tf\n",
            ", row 2: no tab between name and country (and 2 more bad rows)",
        ),
    ],
)
def test_a_row_that_is_not_a_pair_is_named(tmp_path: Path, data: str, message: str) -> None:
    assert fault(read_pairs, tmp_path, data, left="name", right="country") == message


# Sentences

CONLLU = """\
# sent_id = 1
# text = Vámonos al 20 000
1-2\tVámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tVamos\tir\tVERB\tV\t_\t0\troot\t_\t_
2\tnos\tnosotros\tPRON\tP\t_\t1\tobj\t_\t_
3-4\tal\t_\t_\t_\t_\t_\t_\t_\t_
3\ta\ta\tADP\tR\t_\t5\tcase\t_\t_
4\tel\tel\tDET\tD\t_\t5\tdet\t_\t_
4.1\tx\tx\tVERB\tV\t_\t_\t_\t_\t_
5\t20 000\t20000\tNUM\tN\t_\t1\tobl\t_\t_

# sent_id = 2
1\t_\t_\tSYM\tS\t_\t0\troot\t_\t_
2\t#\t#\tSYM\tS\t_\t0\troot\t_\t_

"""


def test_conllu_is_read(tmp_path: Path) -> None:
    """Words with spaces or that are ``_`` stay; what is not a word goes, with a note."""
    path = write(tmp_path, CONLLU)
    source = read_sentences(path)
    assert source.records == (
        Sentence(4, ("Vamos", "nos", "a", "el", "20 000"), ("VERB", "PRON", "ADP", "DET", "NUM")),
        Sentence(13, ("_", "#"), ("SYM", "SYM")),
    )
    assert source.notes == (
        f"{path}: word: column 2, tag: column 4, column 1 only counts",
        f"{path}: 2 ranges of words left out",
        f"{path}: 1 empty nodes left out",
    )
    assert source.sha256 == hashlib.sha256(CONLLU.encode()).hexdigest()
    assert read_sentences(path, column=5).records[0].tags == ("V", "P", "R", "D", "N")
    assert read_sentences(path, column=6).records[1].tags == ("_", "_")  # no features: a value
    with pytest.raises(InputError, match="row 13: the word '_' has no tag"):
        read_sentences(write(tmp_path, CONLLU.replace("SYM\tS", "SYM\t_", 1)), column=5)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("nos\tnosotros\tPRON", "nos\tnosotros\t_", ", row 5: the word 'nos' has no tag ('_')"),
        ("PRON\tP", "_\t_", ", row 5: the word 'nos' has no tag ('_')"),
        ("\tPRON", "\t ", ", row 5: the tag is empty"),
        ("2\tnos", "2\t", ", row 5: the token is empty"),
        ("2\tnos\tnosotros", "2\tnos", ", row 5: 9 columns, not 10 as in the first line"),
        ("\n\n# sent_id = 2", "", ", row 11: found word '1', expected word 6"),
        ("2\tnos", "3\tnos", ", row 5: found word '3', expected word 2 (and 1 more bad row)"),
        ("2\tnos", "two\tnos", ", row 5: found word 'two', expected word 2"),
        ("4\tel", "4 el", ", row 8: 9 columns, not 10 as in the first line"),
    ],
)
def test_a_fault_in_conllu_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in CONLLU
    assert fault(read_sentences, tmp_path, CONLLU.replace(old, new, 1)) == message


def test_conll_with_spaces_is_read(tmp_path: Path) -> None:
    """The tag is in the last column; ``#`` is a token like another."""
    data = (
        "-DOCSTART- -X- O O\n\nEU NNP  B-NP B-ORG \n# SYM O O\n\n\n"
        f"-DOCSTART- -X- O O\n\n{ODD} NN I-NP O"
    )
    path = write(tmp_path, data)
    source = read_sentences(path)
    assert source.records == (
        Sentence(3, ("EU", "#"), ("B-ORG", "O")),
        Sentence(9, (ODD,), ("O",)),
    )
    assert f"{path}: 2 lines of -DOCSTART- left out" in source.notes
    assert read_sentences(path, column=2).records[0].tags == ("NNP", "SYM")


def test_a_tab_beside_docstart_separates_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "-DOCSTART-\tO\n\na b\n")
    assert read_sentences(path).records == (Sentence(3, ("a",), ("b",)),)


def test_conll_with_tabs_is_read(tmp_path: Path) -> None:
    """Spaces are then characters, even if a line of ``-DOCSTART-`` has some."""
    path = write(tmp_path, "-DOCSTART- O\n\nNew York\tB LOC\r\n\u00a0\tO\r\n\r\n#\tO\r\n")
    assert read_sentences(path).records == (
        Sentence(3, ("New York", "\u00a0"), ("B LOC", "O")),
        Sentence(6, ("#",), ("O",)),
    )


def test_ten_columns_alone_are_not_conllu(tmp_path: Path) -> None:
    path = write(tmp_path, "\t".join("ABCDEFGHIJ") + "\n")
    assert read_sentences(path).records == (Sentence(1, ("A",), ("J",)),)


@pytest.mark.parametrize(
    ("data", "column", "message"),
    [
        ("a b\nc\n", None, ", row 2: 1 column, not a token and its tag"),
        (
            "just\na\ntext\n",
            None,
            ", row 1: 1 column, not a token and its tag (and 2 more bad rows)",
        ),
        ("a b\n\nc d e\n", None, ", row 3: 3 columns, not 2 as in the first line"),
        ("a\tb\nc d\n", None, ", row 2: 1 column, not a token and its tag"),
        ("a\tb\nc\t\n", None, ", row 2: the tag is empty"),
        ("a\tb\n \tc\n", None, ", row 2: the token is empty"),
        ("a\tb\nc\td\te\n\t \n", None, ", row 2: 3 columns, not 2 as in the first line"),
        ("a b\n", 3, ", row 1: 2 columns: the tags cannot be in 3"),
        ("-DOCSTART- -X- O\n", None, " has no sentences"),
    ],
)
def test_a_fault_in_conll_is_named(
    tmp_path: Path, data: str, column: int | None, message: str
) -> None:
    assert fault(read_sentences, tmp_path, data, column=column) == message


@pytest.mark.parametrize(
    ("data", "column"), [("a b\n", 0), ("a b\n", 1), (CONLLU, 2), (CONLLU, -1)]
)
def test_the_tags_are_in_a_column_of_their_own(tmp_path: Path, data: str, column: int) -> None:
    told = f"^column {column} of .* (does not exist|holds the tokens, not the tags)$"
    with pytest.raises(InputError, match=told):
        read_sentences(write(tmp_path, data), column=column)
    with pytest.raises(InputError, match="10 columns: the tags cannot be in 11"):
        read_sentences(write(tmp_path, CONLLU), column=11)


def test_a_treebank_is_read(corpora: Path) -> None:
    """Compared with a count of lines that begin with a digit."""
    for path in sorted((corpora / "ud-english-atis-pos").glob("*.conllu")):
        lines = path.read_text(encoding="utf-8").split("\n")
        words = [line.split("\t") for line in lines if line[:1].isdigit()]
        source = read_sentences(str(path))
        tagged = [
            (row, token, tag)
            for sentence in source.records
            for row, (token, tag) in enumerate(
                zip(sentence.tokens, sentence.tags, strict=True), start=sentence.row
            )
        ]
        assert [(token, tag) for _, token, tag in tagged] == [(word[1], word[3]) for word in words]
        assert all(lines[row - 1].split("\t")[1] == token for row, token, _ in tagged)
        assert len(source.records) == sum(line.startswith("# sent_id") for line in lines)
        assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


# Series


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("header", [True, False])
def test_a_series_is_read(tmp_path: Path, separator: str, header: bool) -> None:
    rows = [["1", '"-2.5"', "+3e-2"], [" 4.", ".5 ", "6E1"]]
    names = [["day", f'"a{separator}b ""c"""', ""]] * header
    data = "\r\n".join(separator.join(row) for row in names + rows) + "\r\n\r\n"
    series = read_series(write(tmp_path, data)).records
    assert series.columns == (("day", f'a{separator}b "c"', "3") if header else ("1", "2", "3"))
    assert series.values.dtype == np.float64
    assert series.values.tolist() == [[1, -2.5, 0.03], [4, 0.5, 60]]
    assert not series.values.flags.writeable


def test_quoted_separators_do_not_separate(tmp_path: Path) -> None:
    series = read_series(write(tmp_path, '"a;b\tc",d\n1,2\n')).records
    assert series.columns == ("a;b\tc", "d")


def test_a_series_of_one_column_is_read(tmp_path: Path) -> None:
    assert read_series(write(tmp_path, "1\n2\n3")).records.values.tolist() == [[1], [2], [3]]
    named = read_series(write(tmp_path, "level\n2\n")).records
    assert named.columns == ("level",)
    assert named.values.tolist() == [[2]]


def test_a_quoted_line_end_counts_as_a_line(tmp_path: Path) -> None:
    data = '"a\nname",b\n1,2\n3,x\n'
    assert fault(read_series, tmp_path, data) == ", row 4: column 2 ('b'): 'x' is not a number"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("x,y\n", " has no rows of numbers"),
        ("x,y\n1,2\n3,four\n", ", row 3: column 2 ('y'): 'four' is not a number"),
        ("1,2\n3,nan\n", ", row 2: column 2: 'nan' is a missing value"),
        ("1,2\n3,-Infinity\n", ", row 2: column 2: '-Infinity' is not finite"),
        ("1,2\n1e999,4\n", ", row 2: column 1: '1e999' is not finite"),
        ("NaN,1\n2,3\n", ", row 1: column 1: 'NaN' is a missing value"),
        ("1,2\n,4\n", ", row 2: column 1: empty"),
        ("1,2\n3,4,5\n6\n", ", row 2: 3 columns, not 2 as in the first row (and 1 more bad row)"),
        ("1,2\n\n3,4\n", ", row 2: blank"),
        ("\t\n", " has no rows of numbers"),
        (",\n,\n", " has no rows of numbers"),
        ("\r\r", " is empty"),
        ("x,y\n1,z\n3\n5,6\n", ", row 2: column 2 ('y'): 'z' is not a number (and 1 more bad row)"),
        ("\n1,2\n", ", row 1: blank"),
        ("1,2\n1_000,٣\n", ", row 2: column 1: '1_000' is not a number"),
        ("1;2\n3,5;4\n", ", row 2: column 1: '3,5' is not a number"),
        ("1,2,x\n4,5,6\n", ", row 1: column 3 is 'x' among numbers"),
        ("1,,3\n4,5,6\n", ", row 1: column 2: empty"),
        ("a,b,a\n4,5,6\n", ", row 1: two columns have the name 'a'"),
        ("x\n1\na\nb\n2\n", ", row 3: column 1 ('x'): 'a' is not a number (and 1 more bad row)"),
        ('1,2\n3,"4\n5,6\n', ", row 2: not CSV: unexpected end of data"),
        ('1,2\n3,"4"5\n', ", row 2: not CSV: ',' expected after '\"'"),
        ("1\n" + "x" * 99, f", row 2: column 1: '{'x' * 40}'... is not a number"),
    ],
)
def test_a_row_that_is_not_a_step_is_named(tmp_path: Path, data: str, message: str) -> None:
    """With Python's message if the csv module found it; a row counts once."""
    assert fault(read_series, tmp_path, data).startswith(message)
    assert ("(and" in message) == ("(and" in fault(read_series, tmp_path, data))


# The alphabet

TEXT = "aé漢🙂\u2028\x00\U0010ffff\n a"


@pytest.mark.parametrize("level", ["char", "byte"])
def test_texts_can_be_decoded_again(level: str) -> None:
    alphabet = Alphabet.of(level, ["", TEXT, "b"])
    ids = alphabet.encode(TEXT)
    assert alphabet.level == level
    assert len(alphabet) == 3 + (256 if level == "byte" else len(set(TEXT) | {"b"}))
    assert len(ids) == len(TEXT if level == "char" else TEXT.encode())
    assert 3 <= ids.min() <= ids.max() < len(alphabet)
    assert alphabet.decode(ids) == TEXT
    assert alphabet.unknown(TEXT) == 0
    assert alphabet.encode("").shape == (0,)
    assert alphabet.decode([]) == ""


def test_the_first_numbers_are_signs() -> None:
    alphabet = Alphabet.of("char", ["cab"])
    assert (UNKNOWN, START, END) == (0, 1, 2)
    assert alphabet.encode("abc").tolist() == [3, 4, 5]
    assert Alphabet.of("byte", []).encode("a\xff").tolist() == [3 + 97, 3 + 0xC3, 3 + 0xBF]


def test_unknown_characters_are_counted() -> None:
    """Below, between and beyond those of the alphabet; each time they occur."""
    alphabet = Alphabet.of("char", ["bd"])
    assert alphabet.encode("abcde\U0010ffff").tolist() == [0, 3, 0, 4, 0, 0]
    assert alphabet.unknown("abcde\U0010ffffe") == 5
    assert alphabet.decode(alphabet.encode("abcd")) == "\ufffdb\ufffdd"
    assert Alphabet.of("byte", ["a"]).unknown("é漢") == 0


def test_decoding_stops_at_the_end() -> None:
    alphabet = Alphabet.of("char", ["ab"])
    assert alphabet.decode([START, 3, START, UNKNOWN, 4, END, 3, END, 999]) == "a\ufffdb"
    assert alphabet.decode(np.array([END, 3], dtype=np.uint8)) == ""
    for wrong in ([3, 5], [-1]):
        with pytest.raises(ValueError, match="outside of an alphabet of 5"):
            alphabet.decode(wrong)


def test_bytes_that_are_not_text_are_replaced() -> None:
    alphabet = Alphabet.of("byte", [])
    ids = alphabet.encode("aé")
    assert alphabet.decode(ids[:-1]) == "a\ufffd"
    assert alphabet.decode([*ids.tolist(), UNKNOWN, 3 + 255]) == "aé\ufffd\ufffd"


@pytest.mark.parametrize("level", ["char", "byte"])
def test_lone_surrogates_are_refused(level: str) -> None:
    with pytest.raises(InputError, match="the text to label is not valid UTF-8"):
        Alphabet.of(level, ["ab"]).encode("a\udcff", "the text to label")
    if level == "char":
        with pytest.raises(InputError, match="not valid UTF-8"):
            Alphabet.of(level, ["a\udcff"])


def test_texts_without_characters_have_no_alphabet() -> None:
    with pytest.raises(InputError, match="no characters"):
        Alphabet.of("char", ["", ""])
    with pytest.raises(ValueError, match="level 'word' is not one of char, byte"):
        Alphabet.of("word", ["a"])


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5), st.text())
def test_any_text_can_be_decoded_except_unknown_characters(texts: list[str], other: str) -> None:
    alphabet = Alphabet.of("char", texts)
    known = set("".join(texts))
    assert [alphabet.decode(alphabet.encode(text)) for text in texts] == texts
    assert alphabet.decode(alphabet.encode(other)) == "".join(
        c if c in known else "\ufffd" for c in other
    )
    assert alphabet.unknown(other) == sum(c not in known for c in other)
    byte = Alphabet.of("byte", texts)
    assert byte.decode(byte.encode(other)) == other


@pytest.mark.parametrize(("size", "dtype"), [(253, "u1"), (254, "u2"), (65534, "u4")])
def test_numbers_take_the_smallest_dtype(size: int, dtype: str) -> None:
    codes = (*range(0xD800), *range(0xE000, 0x20000))[:size]
    alphabet = Alphabet(Vocabulary("char", codes))
    ids = alphabet.encode(chr(codes[-1]))
    assert ids.dtype == np.dtype(dtype)
    assert ids.tolist() == [size + 2]


@pytest.mark.parametrize("level", ["char", "byte"])
def test_an_alphabet_can_be_restored_from_json(level: str) -> None:
    alphabet = Alphabet.of(level, [TEXT])
    again = Alphabet.from_json(json.loads(json.dumps(alphabet.to_json())))
    assert again == alphabet
    assert again.encode(TEXT).tolist() == alphabet.encode(TEXT).tolist()


@pytest.mark.parametrize(
    "value",
    [
        None,
        "char",
        [],
        {},
        {"level": "char"},
        {"codes": [1]},
        {"level": "char", "codes": [1], "more": 1},
        {"level": "word", "codes": [1]},
        {"level": ["char"], "codes": [1]},
        {"level": None, "codes": [1]},
        {"level": "char", "codes": "abc"},
        {"level": "char", "codes": {"1": 2}},
        {"level": "char", "codes": None},
        {"level": "char", "codes": []},
        {"level": "char", "codes": [1, 1]},
        {"level": "char", "codes": [2, 1]},
        {"level": "char", "codes": [-1, 1]},
        {"level": "char", "codes": [1, 0x110000]},
        {"level": "char", "codes": [1, 10**30]},
        {"level": "char", "codes": [1.0, 2.0]},
        {"level": "char", "codes": [1, math.nan]},
        {"level": "char", "codes": [False, True]},
        {"level": "char", "codes": ["1"]},
        {"level": "char", "codes": [[1]]},
        {"level": "char", "codes": [1, 0xD800]},
        {"level": "byte", "codes": list(range(255))},
        {"level": "byte", "codes": list(range(1, 257))},
    ],
)
def test_json_that_is_not_an_alphabet_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"not an alphabet|a vocabulary's symbols"):
        Alphabet.from_json(value)
