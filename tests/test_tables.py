"""Real-life tables: ten files of each format, modelled on public ones."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from charrnn.errors import InputError
from charrnn.tasks.base import Paths
from charrnn.tasks.config import Config
from charrnn.tasks.examples import label_notes
from charrnn.tasks.tag import TagData
from charrnn.text.conll import Sentence, looks_tagged, read_sentences
from charrnn.text.pairs import Pair, read_pairs

DOCS = Path(__file__).parent.parent / "docs" / "tasks.md"


def put(folder: Path, data: str | bytes, name: str = "data.txt") -> str:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return str(path)


def pairs(folder: Path, data: str | bytes, name: str = "data.txt", **how: Any) -> list[Any]:
    return [(one.left, one.right) for one in read_pairs(put(folder, data, name), **how).records]


WANTED = [("good, red", "pos"), ("bad blue", "neg"), ("bad red", "neg")]
"""The contents of each of these files."""

TSV: dict[str, str] = {
    "plain": "good, red\tpos\nbad blue\tneg\nbad red\tneg\n",
    "header": "text\tlabel\ngood, red\tpos\nbad blue\tneg\nbad red\tneg\n",
    "header of other words": "review\tsentiment\ngood, red\tpos\nbad blue\tneg\nbad red\tneg\n",
    "in the other order": "label\ttext\npos\tgood, red\nneg\tbad blue\nneg\tbad red\n",
    "with ids": "id\tsentence\tcategory\n1\tgood, red\tpos\n2\tbad blue\tneg\n3\tbad red\tneg\n",
    "every cell quoted": '"good, red"\t"pos"\n"bad blue"\t"neg"\n"bad red"\t"neg"\n',
    "line ends of a Mac": "good, red\tpos\rbad blue\tneg\rbad red\tneg\r",
    "line ends of Windows": "\ufeffgood, red\tpos\r\nbad blue\tneg\r\nbad red\tneg\r\n\r\n",
    "line ends of three kinds": "good, red\tpos\rbad blue\tneg\nbad red\tneg\r\n",
    "spaces about": " good, red \t pos\nbad blue\tneg \nbad red\tneg",
}
CSV: dict[str, str | bytes] = {
    "plain": '"good, red",pos\nbad blue,neg\nbad red,neg\n',
    "header": 'text,label\n"good, red",pos\nbad blue,neg\nbad red,neg\n',
    "semicolons": "Text;Label\r\ngood, red;pos\r\nbad blue;neg\r\nbad red;neg\r\n",
    "all quoted": '"text","label"\n"good, red","pos"\n"bad blue","neg"\n"bad red","neg"\n',
    "in the other order": 'sentiment,review\npos,"good, red"\nneg,bad blue\nneg,bad red\n',
    "an index without a name": ',text,label\n0,"good, red",pos\n1,bad blue,neg\n2,bad red,neg\n',
    "more columns": 'id,title,stars\n7,"good, red",pos\n8,bad blue,neg\n9,bad red,neg\n',
    "line ends of a Mac": 'text,label\r"good, red",pos\rbad blue,neg\rbad red,neg\r',
    "UTF-16": 'text,label\n"good, red",pos\nbad blue,neg\nbad red,neg\n'.encode("utf-16"),
    "Excel's first line": "sep=;\ngood, red;pos\nbad blue;neg\nbad red;neg\n",
    "empty rows at its end": 'text,label\n"good, red",pos\nbad blue,neg\nbad red,neg\n,\n,,\n',
    "a label of another name": 'plot,genres\n"good, red",pos\nbad blue,neg\nbad red,neg\n',
    "German": "Satz;Klasse\ngood, red;pos\nbad blue;neg\nbad red;neg\n",
    "capitals": 'Review Text,Class Label\n"good, red",pos\nbad blue,neg\nbad red,neg\n',
}
JSON: dict[str, list[dict[str, Any]]] = {
    "plain": [{"text": a, "label": b} for a, b in WANTED],
    "other names": [{"review": a, "stars": b} for a, b in WANTED],
    "other order": [{"label": b, "sentence": a} for a, b in WANTED],
    "more keys": [{"id": k, "text": a, "label": b, "x": [1]} for k, (a, b) in enumerate(WANTED)],
    "spaces": [{"text": f" {a}\n", "label": f"{b} "} for a, b in WANTED],
    "a list of one label": [{"text": a, "labels": [b]} for a, b in WANTED],
    "the label last but one": [{"content": a, "category": b, "n": None} for a, b in WANTED],
    "not every key": [
        {"text": a, "label": b, **({"y": 1} if b == "pos" else {})} for a, b in WANTED
    ],
    "capitals": [{"Text": a, "Label": b} for a, b in WANTED],
    "questions": [{"question": a, "intent": b} for a, b in WANTED],
}
FASTTEXT: dict[str, str | bytes] = {
    "plain": "__label__pos good, red\n__label__neg bad blue\n__label__neg bad red\n",
    "spaces": "__label__pos  good, red \n__label__neg bad blue\n__label__neg\tbad red\n",
    "a tab": "__label__pos\tgood, red\n__label__neg\tbad blue\n__label__neg\tbad red\n",
    "Windows": "__label__pos good, red\r\n__label__neg bad blue\r\n__label__neg bad red\r\n",
    "a Mac": "__label__pos good, red\r__label__neg bad blue\r__label__neg bad red",
    "a mark": "\ufeff__label__pos good, red\n__label__neg bad blue\n__label__neg bad red\n",
    "blank at its end": "__label__pos good, red\n__label__neg bad blue\n__label__neg bad red\n\n\n",
    "no line end": "__label__pos good, red\n__label__neg bad blue\n__label__neg bad red",
    "spaces before": " __label__pos good, red\n  __label__neg bad blue\n__label__neg bad red\n",
    "labels at the end": "good, red __label__pos\nbad blue __label__neg\nbad red __label__neg\n",
    "UTF-16": "__label__pos good, red\n__label__neg bad blue\n__label__neg bad red\n".encode(
        "utf-16"
    ),
}


FILES: dict[str, tuple[str | bytes, str]] = {
    **{f"TSV: {name}": (data, "data.tsv") for name, data in TSV.items()},
    **{f"CSV: {name}": (data, "data.csv") for name, data in CSV.items()},
    **{f"JSON: {n}": ("\n".join(map(json.dumps, data)), "data.jsonl") for n, data in JSON.items()},
    **{f"fastText: {name}": (data, "data.txt") for name, data in FASTTEXT.items()},
}


@pytest.mark.parametrize(("data", "name"), FILES.values(), ids=FILES)
def test_texts_and_labels_are_read_from_any_table(
    tmp_path: Path, data: str | bytes, name: str
) -> None:
    assert pairs(tmp_path, data, name) == WANTED
    assert pairs(tmp_path, data, "data") == WANTED  # whatever the file is called


def test_a_cell_of_csv_holds_quotes_and_line_ends(tmp_path: Path) -> None:
    data = 'text,label\n"say ""no"",\r\nreally",pos\n"x",neg\n'
    source = read_pairs(put(tmp_path, data))
    assert source.records == (Pair(2, 'say "no",\nreally', "pos"), Pair(4, "x", "neg"))
    quoted = data.replace(",label", "\tlabel").replace('",', '"\t', 2).replace('"\t\r', '",\r')
    assert pairs(tmp_path, quoted.replace('",neg', '"\tneg'))[0][0] == 'say "no",\nreally'


def test_quotes_in_tsv_that_do_not_quote_stay(tmp_path: Path) -> None:
    data = '"Go!" he said.\tpos\n"Stop!"\tneg\nhe said "no"\tneg\n'
    assert [left for left, _ in pairs(tmp_path, data)] == [
        '"Go!" he said.',
        '"Stop!"',
        'he said "no"',
    ]


@pytest.mark.parametrize(
    "data",
    [
        '"say\tpos\nno"\tneg\nx\ty\n',  # one cell of csv, but two good rows as they stand
        '"a ""b"" c"\tpos\n"say\tpos\nno"\tneg\n',
        '"a\tb"\tc\n"d"\te\tf\n',  # three columns as they stand
    ],
)
def test_rows_between_unbalanced_quotes_stay(tmp_path: Path, data: str) -> None:
    rows = [tuple(line.split("\t")[:2]) for line in data.splitlines()]
    columns = "1,2" if data.count("\t") > data.count("\n") else ""
    assert pairs(tmp_path, data, columns=columns) == rows


def test_columns_are_named_and_numbered(tmp_path: Path) -> None:
    data = 'Day,Text A,"Kind, or so"\n1,red,p\n2,blue,n\n'
    for columns in ('Text A,"Kind, or so"', 'text a,"kind, or so"', "2,3", "Text A,3"):
        source = read_pairs(put(tmp_path, data, "a.csv"), columns=columns)
        expected = (("red", "p"), ("blue", "n"))
        assert tuple((p.left, p.right) for p in source.records)[-2:] == expected, columns
    assert source.notes[-1].endswith(
        "read as CSV; text: column 2 'Text A', label: column 3 'Kind, or so', header left out"
    )
    assert pairs(tmp_path, "a\tb\tc\nd\te\tf\n", columns="3,1") == [("c", "a"), ("f", "d")]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("Text,Other", "no column 'Other'; its columns are 1 'Text' and 2 'Kind'"),
        ("1,3", "no column '3'; its columns are"),
        ("Text", "--columns Text: 1 column, not 2"),
        ("2,2", "the column '2' is named twice"),
        ("Text,text", "the column 'text' is named twice"),
        ('"Text', "unexpected end of data"),
        ("Text,", "a name is empty"),
    ],
)
def test_missing_columns_are_reported(tmp_path: Path, columns: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_pairs(put(tmp_path, "Text,Kind\nred,p\nblue,n\n", "a.csv"), columns=columns)


@pytest.mark.parametrize("data", ["abc\ndef\n", '{"a"\n'])
def test_columns_of_a_file_without_any_are_reported(tmp_path: Path, data: str) -> None:
    with pytest.raises(InputError, match=r"its columns are none|not JSON"):
        read_pairs(put(tmp_path, data), columns="1,2")


def test_a_number_is_a_place_where_no_row_names_columns(tmp_path: Path) -> None:
    assert pairs(tmp_path, "2\tgood\n1\tbad\n", columns="2,1") == [("good", "2"), ("bad", "1")]


def test_a_third_column_is_asked_about(tmp_path: Path) -> None:
    path = put(tmp_path, "Go.\tGeh.\tCC-BY 2.0\nHi.\tHallo.\tCC-BY 2.0\n")
    with pytest.raises(
        InputError, match="which of its 3 columns are the source and the target"
    ) as e:
        read_pairs(path, left="source", right="target")
    assert "--columns 1,2" in e.value.hint
    found = read_pairs(path, left="source", right="target", columns="1,2").records
    assert [(one.left, one.right) for one in found] == [("Go.", "Geh."), ("Hi.", "Hallo.")]


def test_a_header_is_left_out_and_reported(tmp_path: Path) -> None:
    source = read_pairs(put(tmp_path, "review\tstars\ngood\t5\nbad\t1\n"))
    assert source.records == (Pair(2, "good", "5"), Pair(3, "bad", "1"))
    assert source.notes[0].endswith(
        "text: column 1 'review', label: column 2 'stars', header left out"
    )


def test_a_first_row_that_may_be_a_header_is_asked_about(tmp_path: Path) -> None:
    source = read_pairs(put(tmp_path, "wording\tverdict\ngood\tp\nbad\tn\nfine\tp\npoor\tn\n"))
    assert len(source.records) == 5
    assert "the label 'verdict' occurs once, in row 1: a header?" in source.notes[0]
    assert "--columns 'wording,verdict'" in source.notes[0]
    others = "good\tp\nbad\tn\nfine\tp\n"  # where other labels occur once as well
    assert read_pairs(put(tmp_path, "wording\tverdict\n" + others)).notes == ()


@pytest.mark.parametrize(
    "data",
    [
        "text\tlabel\nother\tlabel\nx\ty\n",  # a label of another row
        "the text\tpos\nthe label\tneg\n",
        "label\tlabel\nx\ty\n",  # not two names
    ],
)
def test_a_first_row_like_the_others_is_kept(tmp_path: Path, data: str) -> None:
    assert len(read_pairs(put(tmp_path, data)).records) == data.count("\n")


@pytest.mark.parametrize(
    "header", ["de\ten", "German words/sentences\tEnglish words/sentences", "Deutsch\tEnglisch"]
)
def test_a_header_of_languages_names_a_translation(tmp_path: Path, header: str) -> None:
    data = f"{header}\nrot\tred\nblau\tblue\n"
    assert pairs(tmp_path, data, left="source", right="target") == [
        ("rot", "red"),
        ("blau", "blue"),
    ]


def test_columns_in_the_other_order_are_asked_about(tmp_path: Path) -> None:
    data = "".join(f"{'pos' if k % 2 else 'neg'}\tword {k}\n" for k in range(20))
    with pytest.raises(InputError, match="20 labels of 20 rows, 2 texts") as caught:
        read_pairs(put(tmp_path, data))
    assert "--columns 2,1" in caught.value.hint
    assert pairs(tmp_path, data, columns="2,1")[1] == ("word 1", "pos")
    few = "".join(f"pos\tword {k}\n" for k in range(4))
    assert pairs(tmp_path, few)[0] == ("pos", "word 0")
    swapped = "".join(f"word {k}\t{'pos' if k % 2 else 'neg'}\n" for k in range(20))
    with pytest.raises(InputError, match="are the columns swapped"):
        read_pairs(put(tmp_path, swapped), left="label", right="text")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (['{"text": "a", "label": "b"}', "{"], ", row 2: not JSON:"),
        (
            ['{"text": "a", "label": "b"}', "[1]"],
            ", row 2: '\\[1\\]' is not a JSON object with keys",
        ),
        (['{"text": "a", "label": "b"}', "", "{}"], ", row 2: blank"),
        (['{"text": "a", "label": "b"}', '{"text": "a"}'], ", row 2: the label is empty"),
        (['{"text": 5, "label": "b"}'], ", row 1: the text is '5', not a text"),
        (['{"text": "a", "label": ["b", "c"]}'], ", row 1: the label has 2 labels"),
        (['{"a": "a", "b": "b"}'], "which of its 2 columns are the text and the label"),
    ],
)
def test_a_bad_row_of_json_is_named(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_pairs(put(tmp_path, "\n".join(rows), "a.jsonl"))


@pytest.mark.parametrize(
    ("rows", "names", "message"),
    [
        (
            [{"text": "a"}],
            ("text", "label"),
            "has no text and no label; its rows have only 1 'text'",
        ),
        ([{}], ("text", "label"), "row 1: '{}' is not a JSON object with keys"),
        (
            [{"translation": {"en": "a"}}],
            ("source", "target"),
            "has no source and no target; .* 1 'translation'",
        ),
    ],
)
def test_incomplete_rows_of_json_are_reported(
    tmp_path: Path, rows: list[Any], names: tuple[str, str], message: str
) -> None:
    path = put(tmp_path, "\n".join(map(json.dumps, rows)), "a.jsonl")
    with pytest.raises(InputError, match=message):
        read_pairs(path, left=names[0], right=names[1])


@pytest.mark.parametrize("indent", [None, 1])
def test_json_in_one_piece_is_reported(tmp_path: Path, indent: int | None) -> None:
    data = json.dumps([{"text": "a", "label": "b"}, {"text": "c", "label": "d"}], indent=indent)
    with pytest.raises(InputError, match="one piece of JSON") as caught:
        read_pairs(put(tmp_path, data, "a.json"))
    assert "jq -c" in caught.value.hint
    assert pairs(tmp_path, "[good]\tpos\n{bad}\tneg\n") == [("[good]", "pos"), ("{bad}", "neg")]


def test_a_hint_names_columns_by_what_is_in_them(tmp_path: Path) -> None:
    """And not the ids, nor the first two columns."""
    ids = [10**50 + k for k in range(30)]  # as long as a text
    rows = [(ids[k], f"title {k}", "ab"[k % 2], f"the text of number {k} is") for k in range(30)]
    data = "\n".join("\t".join(map(str, row)) for row in rows) + "\n"
    with pytest.raises(InputError) as caught:
        read_pairs(put(tmp_path, data))
    assert caught.value.hint.endswith("--columns 4,3")
    named = "\n".join(json.dumps(dict(zip("pqrs", row, strict=True))) for row in rows)
    with pytest.raises(InputError) as caught:
        read_pairs(put(tmp_path, named))
    assert caught.value.hint.endswith("--columns s,r")
    with pytest.raises(InputError) as caught:
        read_pairs(put(tmp_path, "1\t2\t3\n" * 3))
    assert caught.value.hint.endswith("--columns TEXT,LABEL")


def test_labels_of_json_are_written_out(tmp_path: Path) -> None:
    rows = [{"text": "a", "label": 1}, {"text": "b", "label": True}, {"text": "c", "label": 0.5}]
    data = "\n".join(map(json.dumps, rows))
    assert [label for _, label in pairs(tmp_path, data)] == ["1", "true", "0.5"]


def test_several_labels_are_joined_where_they_are_wanted(tmp_path: Path) -> None:
    data = "__label__a __label__b one\n__label__a two\n"
    assert pairs(tmp_path, data, several="|") == [("one", "a|b"), ("two", "a")]
    with pytest.raises(InputError, match="row 1: the label has 2 labels") as caught:
        read_pairs(put(tmp_path, data))
    assert "loss=sigmoid" in caught.value.hint
    with pytest.raises(InputError, match="row 2: the label is empty") as caught:
        read_pairs(put(tmp_path, "one\ta\ntwo\t\n"))
    assert caught.value.hint == "for rows without a label: --task classify,loss=sigmoid"
    rows: list[Any] = [{"text": "a", "label": ["x", 1]}, {"text": "b", "label": []}]
    data = "\n".join(map(json.dumps, rows))
    assert pairs(tmp_path, data, several="|") == [("a", "x|1"), ("b", "")]


def test_rows_count_from_the_line_that_names_the_separator(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="row 4: no tab between text and label"):
        read_pairs(put(tmp_path, "sep=;\na;b\nc;d\ne\n", "a.csv"))


def test_a_csv_file_with_an_open_quote_is_located(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="row 3: not CSV"):
        read_pairs(put(tmp_path, 'text,label\na,b\n"c,d\n', "a.csv"))


def test_nearly_equal_or_untested_labels_are_reported() -> None:
    notes = list(label_notes(["Pos", "pos", "pos", "a  b", "a b"], ["pos"], ["Pos", "a b", "pos"]))
    assert notes == [
        "these labels differ only by case or spaces: 'Pos' (1 row), 'pos' (2 rows); "
        "are they the same?",
        "no test row has any of the labels 'Pos', 'a b', so their recall cannot be measured",
    ]
    assert list(label_notes(["x", "y"], [], ["x", "y"])) == []


LONG = "x" * 60


@pytest.mark.parametrize(
    ("task", "rows", "note"),
    [
        (
            "classify",
            ["good\tpos", "fine\tpos", "bad\tneg", "good\tpos", "good\tneg"],
            "1 text has different labels in different rows, for example 'good': 'pos' and 'neg'",
        ),
        (
            "classify",
            [f"{LONG}\tneg", f"{LONG}\tpos", "good\tpos", "bad\tneg", "good\tneg"],
            "2 texts have different labels in different rows, for example "
            f"'{LONG[:40]}'...: 'neg' and 'pos'",
        ),
        (
            "classify,loss=sigmoid",
            ["good\tb|a", "good\ta|b", "none\t", "fine\tb|a", "fine\ta"],
            "1 text has different labels in different rows, for example 'fine': 'a, b' and 'a'",
        ),
        ("classify", ["good\tpos", "good\tpos", "Good\tneg", "bad\tneg"], ""),
        (
            "tag",
            ["a X\nb Y\n", "b Y\n", "a X\nb X\n"],
            "1 sentence has different tags in different rows, for example 'a b': 'X Y' and 'X X'",
        ),
        ("tag", ["a X\nb Y\n", "b X\n", "a X\nb Y\n"], ""),
    ],
)
def test_an_input_with_different_answers_is_reported(
    tmp_path: Path, task: str, rows: list[str], note: str
) -> None:
    """In the last row, which is read from another file: all parts of the data count."""
    config = Config.of(**Config.parse({"task": task}))
    *others, last = (f"{row}\n" for row in rows)
    paths = Paths((put(tmp_path, "".join(others)),), put(tmp_path, last, "val.txt"))
    data = config.kind.read(paths, config)
    assert [one for one in data.notes if " different " in one] == [note] * bool(note)


# Sentences

TAGGED = [(("EU", "rejects", "#"), ("B-ORG", "O", "O")), (("Peter",), ("B-PER",))]

CONLL = {
    "CSV of Kaggle": "Sentence #,Word,POS,Tag\nSentence: 1,EU,N,B-ORG\n,rejects,V,O\n,#,S,O\n"
    "Sentence: 2,Peter,N,B-PER\n",
    "CSV with blank lines": "word,tag\nEU,B-ORG\nrejects,O\n#,O\n\nPeter,B-PER\n",
    "numbers that run on": "1\tEU\tx\tB-ORG\n2\trejects\tx\tO\n3\t#\tx\tO\n\n4\tPeter\tx\tB-PER\n",
    "tabs in comments alone": "# id 1\tdomain=en\nEU _ _ B-ORG\nrejects _ _ O\n# _ _ O\n\n"
    "# id 2\tdomain=en\nPeter _ _ B-PER\n",
    "2003": "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n# SYM O O\n\n"
    "Peter NNP B-NP B-PER\n",
    "2002, Windows": "EU NC B-ORG\r\nrejects V O\r\n# S O\r\n\r\nPeter NC B-PER\r\n",
    "GermEval": "#\thttp://x.de/y\t[2009-10-17]\n1\tEU\tO\tB-ORG\n2\trejects\tO\tO\n3\t#\tO\tO\n\n"
    "#\thttp://x.de/z\t[2009-10-18]\n1\tPeter\tO\tB-PER\n",
    "WNUT, a tab in the blank line": "EU\tB-ORG\nrejects\tO\n#\tO\n\t\nPeter\tB-PER\n\t\n",
    "header": "Token\tPOS\tNER\nEU\tN\tB-ORG\nrejects\tV\tO\n#\tS\tO\n\nPeter\tN\tB-PER\n",
    "counted from 0, with ranges": "0\tEU\tx\tB-ORG\n1-2\trejects#\t_\t_\n1\trejects\tx\tO\n"
    "2\t#\tx\tO\n2.1\tx\t_\t_\n\n0\tPeter\tx\tB-PER\n",
    "comments": "# id = 1\nEU\tB-ORG\nrejects\tO\n#\tO\n\n# id = 2\nPeter\tB-PER\n",
    "2012's documents": "#begin document (a); part 000\nEU\tB-ORG\nrejects\tO\n#\tO\n\n"
    "Peter\tB-PER\n#end document\n",
    "a Mac's": "EU\tB-ORG\rrejects\tO\r#\tO\r\rPeter\tB-PER\r",
    "JSON lines": '{"id": 1, "tokens": ["EU", "rejects", "#"], "ner_tags": ["B-ORG", "O", "O"]}\n'
    '{"id": 2, "tokens": ["Peter"], "ner_tags": ["B-PER"]}\n',
    "CoNLL-U Plus": "# global.columns = ID FORM UPOS NER\n1\tEU\tX\tB-ORG\n2\trejects\tX\tO\n"
    "3\t#\tX\tO\n\n1\tPeter\tX\tB-PER\n",
}


@pytest.mark.parametrize("data", CONLL.values(), ids=CONLL)
def test_tagged_sentences_are_read_from_any_variant(tmp_path: Path, data: str) -> None:
    found = read_sentences(put(tmp_path, data)).records
    assert [(one.tokens, one.tags) for one in found] == TAGGED


def test_lines_left_out_are_reported(tmp_path: Path) -> None:
    notes = read_sentences(put(tmp_path, CONLL["GermEval"])).notes
    assert notes[0].endswith("word: column 2, tag: column 4, column 1 only counts")
    assert notes[1].endswith("2 lines that begin with # left out")
    notes = read_sentences(put(tmp_path, CONLL["header"])).notes
    assert notes[0].endswith("word: column 1 'Token', tag: column 3 'NER', header left out")


def test_a_first_line_whose_tag_recurs_is_not_a_header(tmp_path: Path) -> None:
    found = read_sentences(put(tmp_path, "word\ttag\nanother\ttag\n")).records
    assert found[0].tokens == ("word", "another")


def test_sentences_without_an_empty_line_between_them_are_an_error(tmp_path: Path) -> None:
    path = put(tmp_path, "EU\tB\nrejects\tO\n" * 500)
    with pytest.raises(InputError, match="all 1,000 tokens are one sentence"):
        TagData(Paths((path,)), Config.of("tag"))
    (tmp_path / "train").write_text("EU\tB\nrejects\tO\n\n" * 500, encoding="utf-8")
    data = TagData(Paths((str(tmp_path / "train"),), val=path), Config.of("tag"))
    assert len(data.rows.val[0].tokens) == 1000


def test_a_first_line_that_may_be_a_header_is_asked_about_in_sentences(tmp_path: Path) -> None:
    path = put(tmp_path, "Wort\tMarke\nrot\tA\nblau\tB\n\nrosa\tA\nlila\tB\n")
    source = read_sentences(path)
    assert (
        "the tag 'Marke' occurs once, beside the first token 'Wort': a header?" in source.notes[0]
    )
    again = read_sentences(path, columns="Wort,Marke")
    assert again.records[0].tokens == ("rot", "blau")
    assert not any("occurs once" in note for note in again.notes)


def test_the_columns_of_words_and_tags_are_named(tmp_path: Path) -> None:
    path = put(tmp_path, "bc/x 0 0 Peter NNP *\nbc/x 0 1 sees VBZ *  -  x\n\nbc/x 0 0 it PRP *\n")
    found = read_sentences(path, columns="4,5").records
    assert [(one.tokens, one.tags) for one in found] == [
        (("Peter", "sees"), ("NNP", "VBZ")),
        (("it",), ("PRP",)),
    ]
    path = put(tmp_path, CONLL["header"])
    assert read_sentences(path, columns="Token,POS").records[1].tags == ("N",)
    assert read_sentences(path, columns="1,2").records[1] == Sentence(6, ("Peter",), ("N",))
    path = put(tmp_path, CONLL["CoNLL-U Plus"])
    assert read_sentences(path, columns="FORM,UPOS").records[0].tags == ("X", "X", "X")
    with pytest.raises(InputError, match="both choose the tags' column"):
        read_sentences(path, columns="FORM,UPOS", column=3)
    with pytest.raises(InputError, match="has no column 'XPOS'"):
        read_sentences(path, columns="FORM,XPOS")


def test_a_column_that_only_counts_is_not_the_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="column 1 only counts the words"):
        read_sentences(put(tmp_path, "1\tred\n2\tblue\n\n1\tgreen\n"))


def test_a_count_with_gaps_is_recognised(tmp_path: Path) -> None:
    lines = [f"{k}\tword{k % 7}\tx\t{'AB'[k % 2]}" for k in range(1, 60) if k % 13]
    found = read_sentences(put(tmp_path, "\n".join(lines))).records
    assert found[0].tokens[:2] == ("word1", "word2")


def test_a_column_of_document_names_is_not_the_words(tmp_path: Path) -> None:
    data = "bc/x 0 0 Peter NNP\nbc/x 0 1 sees VBZ\nbc/x 0 2 it PRP\n\nbc/x 0 0 So RB\n"
    with pytest.raises(InputError, match="column 1 is the same in all lines of a sentence"):
        read_sentences(put(tmp_path, data))
    assert read_sentences(put(tmp_path, data), columns="4,5").records[1].tokens == ("So",)


def test_tokens_that_are_numbers_stay(tmp_path: Path) -> None:
    found = read_sentences(put(tmp_path, "1\tC\tO\n7\tC\tO\n\n1\tC\tO\n2\tC\tO\n")).records
    assert found[0].tokens == ("1", "7")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('{"tokens": ["a"], "tags": []}', "row 1: 1 tokens and 0 tags"),
        ('{"tokens": "a b", "tags": ["x"]}', "row 1: 'tokens' is not a list"),
        ('{"tokens": ["a", ""], "tags": ["x", "y"]}', "row 1: a token or a tag is empty"),
        ('{"tokens": ["a"], "pos_tags": ["x"], "ner_tags": ["y"]}', "which of its 3 columns"),
    ],
)
def test_bad_sentences_of_json_are_named(tmp_path: Path, data: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_sentences(put(tmp_path, data, "a.jsonl"))


# The conversions that docs/tasks.md gives

CONVERSIONS = dict(
    re.findall(
        r"^\| (.+?) \| [A-Za-z0-9 -]+ \| `(.+?)`(?:,.*)? \|$",
        DOCS.read_text("utf-8").split("## Converting")[1],
        re.M,
    )
)


@pytest.mark.parametrize(
    ("start", "files", "made", "expected"),
    [
        (
            "`label text`",
            {"train.txt": "NUM:date When was it ?\nHUM:ind Who is it ?\n"},
            "train.tsv",
            "When was it ?\tNUM\nWho is it ?\tHUM\n",
        ),
        (
            "a folder",
            {"Irish.txt": "Ryan\nByrne\n", "Greek.txt": "Pappas\n"},
            "names.tsv",
            "Pappas\tGreek\nRyan\tIrish\nByrne\tIrish\n",
        ),
        (
            "two files",
            {"source.txt": "a\nb\n", "target.txt": "c\nd\n"},
            "pairs.tsv",
            "a\tc\nb\td\n",
        ),
        ("Latin-1", {"a.txt": "café\n".encode("latin-1")}, "b.txt", "café\n"),
        (
            "`word/TAG",
            {"a.txt": "The/DT 1/2/CD\nEnd/NN\n"},
            "a.conll",
            "The\tDT\n1/2\tCD\n\nEnd\tNN\n\n",
        ),
        (
            "tunes",
            {"tunes.abc": "X:1\nK:D\nabc|\n\nX:2\nK:G\ndef|\n"},
            "tunes.tsv",
            "D\tX:1\\nK:D\\nabc|\nG\tX:2\\nK:G\\ndef|\n",
        ),
    ],
)
def test_a_documented_conversion_works(
    tmp_path: Path, start: str, files: dict[str, str | bytes], made: str, expected: str
) -> None:
    bash = shutil.which("bash")
    if bash is None or shutil.which("iconv") is None:
        pytest.skip("the conversions are for a shell with the standard tools")
    (command,) = (how for what, how in CONVERSIONS.items() if what.startswith(start))
    for name, data in files.items():
        put(tmp_path, data, name)
    subprocess.run([bash, "-c", command], cwd=tmp_path, check=True, timeout=20)
    assert (tmp_path / made).read_text("utf-8") == expected


def test_every_documented_conversion_is_run() -> None:
    assert len(CONVERSIONS) == 6


@pytest.mark.parametrize("name", [name for name in CONLL if name != "JSON lines"])
def test_tagged_sentences_are_told_from_texts(tmp_path: Path, name: str) -> None:
    once = CONLL[name].replace("\r\n", "\n").replace("\r", "\n")
    assert looks_tagged(once + "\n" + once)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n\nb\n",
        "good day\nbad day\n",
        "one two\n\nthree four\n\nfive six\n",
        "a b c\nd e\n\n" * 9,
    ],
)
def test_texts_are_not_taken_for_tagged_sentences(text: str) -> None:
    assert not looks_tagged(text)
