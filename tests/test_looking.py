"""A text through a model: surprisal character by character, line by line, and how it is shown."""

import json
import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import ROOT, TINY, charrnn, environment

import charrnn as package
from charrnn.cli.colours import symbol, units
from charrnn.engine import Engine
from charrnn.errors import InputError
from charrnn.evaluation.windows import WARM_UP, Reader, windowed_nats
from charrnn.looking import lines as by_line
from charrnn.looking import surprisal
from charrnn.looking.lines import score_lines
from charrnn.looking.surprisal import Surprisal, surprisals
from charrnn.nn.types import Array
from charrnn.runs.model import Model
from charrnn.tasks.lm import opening_of
from charrnn.text.corpora import TextStream, read_corpus
from charrnn.text.escapes import UNKNOWN_NATS

TEXT = 'The "yield" statement is used when\ndefining a generator.\n\n   It is: yield x\n' * 30


@pytest.fixture(scope="module")
def model() -> Model:
    """The shipped model, which knows English and Python."""
    return package.load()


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run on another text, and with models that tests train."""
    folder = tmp_path_factory.mktemp("other")
    (folder / "corpus.txt").write_text("zig zag zog\nzag zig\n" * 60, encoding="utf-8")
    options = (*TINY, "--epochs", "3", "--threads", "1", "--quiet")
    for run, more in (("run", ()), ("bytes", ("--level", "byte"))):
        done = charrnn("train", "corpus.txt", *options, *more, "--out", run, cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


def codes_of(text: str) -> Any:
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")


def read(
    model: Model, pieces: list[Any], before: Any = None, guesses: int = 5
) -> tuple[Any, Surprisal]:
    """Read a whole text at once."""
    codes, found = zip(*surprisals([model], pieces, before, guesses), strict=True)
    parts = zip(*(one for (one,) in found), strict=True)
    return np.concatenate(codes), Surprisal(*map(np.concatenate, parts))


def probabilities(model: Model, text: str) -> Array:
    """``(N, V)`` the prediction of each character, in one plain forward pass."""
    ids = model.vocabulary.encode_text("\n" + text).astype(int)
    y, _, _ = model.network.forward(model.parameters, ids[:-1, None], opening_of(model))
    p: Array = np.exp(y[:, 0] - y[:, 0].max(axis=1, keepdims=True)).astype(float)
    p /= p.sum(axis=1, keepdims=True)
    return p


# Surprisal


def test_surprisal_entropy_and_guesses_follow_their_definitions(model: Model) -> None:
    text = TEXT[:200]
    p = probabilities(model, text)
    ids = model.vocabulary.encode_text(text).astype(int)
    codes, found = read(model, [codes_of(text)], guesses=4)
    np.testing.assert_array_equal(codes, codes_of(text))
    np.testing.assert_allclose(found.nats, -np.log(p[np.arange(200), ids]), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.entropy, -(p * np.log(p)).sum(axis=1), rtol=1e-4, atol=1e-5)
    order = np.argsort(-p, axis=1)[:, :4]
    np.testing.assert_allclose(found.chances, np.take_along_axis(p, order, 1), rtol=1e-4)
    clear = np.diff(found.chances, axis=1).max(axis=1) < -1e-6  # where no two are as likely
    symbols = np.array(model.vocabulary.codes)
    np.testing.assert_array_equal(found.guesses[clear], symbols[order][clear])
    assert clear.sum() > 150


def test_the_sum_equals_the_score_of_the_text(model: Model) -> None:
    text = TEXT[:700] + "☃"
    _, found = read(model, [codes_of(text)])
    score = model.score(text)
    np.testing.assert_allclose(found.nats, score.nats, rtol=1e-4, atol=1e-5)
    assert found.nats[-1] == UNKNOWN_NATS


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_the_pieces_of_a_text_do_not_matter(
    model: Model, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for characters read one by one nor for those read in lanes."""
    for name, value in (("EXACT", 128), ("BLOCK", 1024), ("PIECE", 50)):
        monkeypatch.setattr(surprisal, name, value)
    codes = codes_of(TEXT[: 2300 if size > 1 else 1500])
    pieces = [codes[k : k + size] for k in range(0, len(codes), size)]
    _, whole = read(model, [codes])
    again, found = read(model, [codes[:0], *pieces])
    np.testing.assert_array_equal(again, codes)
    np.testing.assert_allclose(found.nats, whole.nats, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.guesses, whole.guesses)


def test_lanes_are_warmed_up_on_what_is_before_them(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each place in a block is predicted by a network that read 256 characters before the lane."""
    for name, value in (("EXACT", 64), ("BLOCK", 1100), ("LANES", 2), ("NUMBERS", 4000)):
        monkeypatch.setattr(surprisal, name, value)
    text = TEXT[: 64 + 1100]
    _, found = read(model, [codes_of(text)])
    exact = model.score(text).nats
    np.testing.assert_allclose(found.nats[: 64 + 550], exact[: 64 + 550], rtol=1e-3, atol=1e-4)
    begin = 64 + 550
    ids = model.vocabulary.encode_text(text)
    edges = [begin, len(text)]
    reader = Reader(Engine(model.network))
    warmed = windowed_nats(reader, model.parameters, ids, edges, warm_up=WARM_UP)
    np.testing.assert_allclose(found.nats[begin:], warmed, rtol=1e-3, atol=1e-4)


def test_the_text_before_is_read(model: Model) -> None:
    codes = codes_of(TEXT)
    ids = model.vocabulary.encode_text(TEXT)
    for start in (1, 2, 100, 1000):
        _, found = read(model, [codes[start : start + 300]], codes[:start])
        reader = Reader(Engine(model.network))
        edges = [start, start + 300]
        expected = windowed_nats(reader, model.parameters, ids, edges, warm_up=WARM_UP)
        np.testing.assert_allclose(found.nats, expected, rtol=1e-3, atol=1e-4)


def test_a_state_that_runs_away_is_reset_as_in_a_score(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text("abc abd\n" * 60, encoding="utf-8")
    options = (*TINY, "--cell", "rnn,activation=relu", "--epochs", "1", "--threads", "1")
    done = charrnn("train", "corpus.txt", *options, "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    model = package.load(tmp_path / "run")
    model.parameters["body.0.W_h"][...] *= 3
    text = "abc abd\n" * 40
    _, found = read(model, [codes_of(text)[k : k + 50] for k in range(0, 320, 50)])
    np.testing.assert_allclose(found.nats, model.score(text).nats, rtol=1e-3)


def test_several_models_read_in_step(
    model: Model, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although one has many more weights, and would read in lanes sooner by itself."""
    monkeypatch.setattr(surprisal, "EXACT_PRODUCTS", 128 * model.parameters.flat.size)
    small = package.load(other / "run")
    codes = codes_of(TEXT[:1500])
    both = list(surprisals([model, small], [codes[:400], codes[400:]]))
    for number, one in enumerate((model, small)):
        found = np.concatenate([each[number].nats for _, each in both])
        _, alone = read(one, [codes])
        np.testing.assert_allclose(found, alone.nats, rtol=0.2, atol=0.2)
    assert max(len(code) for code, _ in both) > 128  # and that the others are
    assert len(both[0][0]) == 128
    assert all(len(code) == len(each[0].nats) == len(each[1].nats) for code, each in both)


# Files piece by piece


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (b"a\r\nb\rc\n" * 50, {}),
        (b"a\r\nb\rc\n" * 50, {"keep_newlines": True}),
        ("\ufeffß☃𝄞".encode("utf-16") * 3, {}),
        ("ß☃𝄞".encode() * 40, {}),
        ("ß".encode("latin-1"), {"encoding": "latin-1"}),
        (b"\xff\x00\r\n" * 30, {"level": "byte"}),
        (b"", {}),
    ],
)
def test_a_stream_gives_what_reading_the_whole_file_gives(
    tmp_path: Path, data: bytes, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.text.corpora.STREAMED", 5)
    paths = [str(tmp_path / name) for name in ("a", "b")]
    for path in paths:
        Path(path).write_bytes(data)
    stream = TextStream(paths, **options)
    found = np.concatenate([*stream, np.empty(0, np.uint8)])
    assert stream.size == 2 * len(data)
    if data:
        corpus = read_corpus(paths, **options)
        np.testing.assert_array_equal(found, corpus.codes)
        assert stream.digest.hexdigest() == corpus.sha256
    else:
        assert not len(found)
    Path(paths[1]).write_bytes(b"a\nbc\xff")
    if options.get("level") != "byte" and "encoding" not in options:
        with pytest.raises(InputError, match=r"byte 0xff at offset 4 \(line 2\)"):
            list(TextStream(paths, **options))


# Lines


def test_a_lines_cost_does_not_depend_on_other_lines(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "It is a statement.\n\nyield x\nqzx ☃ jjj\nlast"
    for at_once in (1 << 20, 1):
        monkeypatch.setattr(by_line, "AT_ONCE", at_once)
        seen: list[int] = []
        lines = score_lines([model], codes_of(text), advance=seen.append)
        assert sum(seen) == len(text)
        assert lines.numbers.tolist() == [1, 3, 4, 5]
        for row, (begin, end) in enumerate(zip(lines.begins, lines.ends, strict=True)):
            score = model.score(text[begin:end])
            assert lines.nats[row, 0] == pytest.approx(score.total, rel=1e-4)
            assert lines.mean[row, 0] == pytest.approx(score.total / (end - begin), rel=1e-4)
        assert lines.order().tolist() == np.argsort(lines.mean[:, 0]).tolist()
        assert lines.order()[-1] == 2


def test_the_best_fitting_model_of_a_line_is_found(model: Model, other: Path) -> None:
    zag = package.load(other / "run")
    text = "It is a statement.\nzig zag zog\nThe\nzag zig\n"
    lines = score_lines([model, zag], codes_of(text))
    assert lines.who.tolist() == [0, 1, 0, 1]
    difference = np.abs(lines.nats[:, 0] - lines.nats[:, 1])
    np.testing.assert_allclose(lines.margin, difference)
    assert lines.order().tolist()[:2] == [0, 2]
    assert lines.margin[lines.order()[2]] >= lines.margin[lines.order()[3]]


# How it is shown


def test_characters_are_shown_as_symbols_where_they_cannot_be_seen() -> None:
    shown = {"\n": "↵", " ": "␣", "\x1b": "\\x1b", "\u202e": "\\u202e", "\u200b": "\\u200b"}
    shown |= {"\U000e0041": "\\U000e0041", "\u2028": "\\u2028"}
    assert {c: symbol(c) for c in shown} == shown
    assert symbol("\u0301") == "◌\u0301"
    assert symbol("é") == "é"


def test_bytes_are_shown_as_characters_where_possible() -> None:
    data = "aß☃𝄞\n".encode() + b"\xff \xe2\x98"
    found = list(units(list(data), "byte"))
    assert [text for _, _, text in found] == [
        *("a", "ß", "☃", "𝄞", "↵", "\\xff", " ", "\\xe2", "\\x98"),
    ]
    assert [end - begin for begin, end, _ in found] == [1, 2, 3, 4, 1, 1, 1, 1, 1]
    assert [begin for begin, _, _ in found] == [0, *np.cumsum([1, 2, 3, 4, 1, 1, 1, 1]).tolist()]
    assert [text for _, _, text in units([0xE9, 0x20], "char")] == ["é", " "]


def shown(folder: Path, text: str, *options: str, run: str = "run", **env: str) -> str:
    (folder / "text.txt").write_text(text, encoding="utf-8")
    done = charrnn("eval", run, "text.txt", *options, cwd=folder, env=environment(**env))
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def records_of(folder: Path, text: str, *options: str, run: str = "run") -> list[dict[str, Any]]:
    out = shown(folder, text, *options, "--format", "jsonl", run=run)
    return [json.loads(line) for line in out.splitlines()]


def test_without_colours_there_is_a_digit_beneath_each_character(other: Path) -> None:
    out = shown(other, "zig zag\nQ\x1b[31mzig\n", "--show")
    lines = out.splitlines()
    assert lines[0] == "zig zag↵"
    nats = package.load(other / "run").score("zig zag\nQ\x1b[31mzig\n").nats
    digits = "".join(str(min(9, int(n))) if n >= 1 else "." for n in nats)
    assert lines[1] == digits[:8]
    assert lines[2] == "Q\\x1b[31mzig↵"
    assert lines[3].replace(" ", "") == digits[8:]
    assert "\x1b" not in out
    mean = f"{nats.mean():.3f}"
    assert re.search(rf"18 characters, {mean}\d nats each", out)


def test_guesses_are_shown_below_if_asked_for(other: Path) -> None:
    lines = shown(other, "zag zig\n", "--show", "--guesses", "2").splitlines()
    assert lines[0] == "zag zig↵"
    guesses = [r["guesses"] for r in records_of(other, "zag zig\n", "--show", "--guesses", "2")]
    for row in range(2):
        best = "".join(symbol(pair[row][0]) for pair in guesses)
        assert lines[2 + row] == best


@pytest.mark.parametrize("colour", [{"FORCE_COLOR": "1"}, {"FORCE_COLOR": "1", "NO_COLOR": "1"}])
def test_colours_are_the_steps_of_the_scale(other: Path, colour: dict[str, str]) -> None:
    out = shown(other, "zigQ\x1b[2Jzig\n" + 40 * "zag\n", "--show", **colour, TERM="xterm-256color")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out)
    assert "\x1b" not in plain
    assert plain.splitlines()[0].startswith("zigQ\\x1b[2Jzig↵")
    if "NO_COLOR" in colour:
        assert re.search(r"^[.1-9]{3}9", plain, re.M)
    else:
        assert re.search(r"\x1b\[[0-9;]*mQ", out)  # never seen: on the darkest of all
        assert "nats   0  1  2" in plain


def test_records_have_every_character(other: Path) -> None:
    text = "zig Ω\n"
    records = [
        json.loads(x) for x in shown(other, text, "--show", "--format", "jsonl").splitlines()
    ]
    assert "".join(record["char"] for record in records) == text
    assert [record["at"] for record in records] == list(range(len(text)))
    score = package.load(other / "run").score(text)
    assert sum(r["nats"] for r in records) == pytest.approx(score.total, rel=1e-4)
    assert all(len(record["guesses"]) == 5 for record in records)
    records = records_of(other, text, "--show", run="bytes")
    assert bytes(record["byte"] for record in records) == text.encode()


def test_a_character_costs_the_sum_of_its_bytes(other: Path) -> None:
    text = "zig Ω\n"
    lines = shown(other, text, "--show", run="bytes").splitlines()
    assert lines[0] == "zig Ω↵"
    nats = [record["nats"] for record in records_of(other, text, "--show", run="bytes")]
    assert int(nats[4]) < int(nats[4] + nats[5])  # else this would prove nothing
    assert lines[1][4] == str(min(9, int(nats[4] + nats[5])))


def test_several_models_are_shown_below_each_other(other: Path) -> None:
    shipped = str(package.load().path)
    (other / "text.txt").write_text("zig zag\n", encoding="utf-8")
    done = charrnn("eval", "run", shipped, "text.txt", "--show", cwd=other)
    lines = done.stdout.decode().splitlines()
    assert [lines[0], lines[2]] == ["1  zig zag↵", "2  zig zag↵"]
    assert "1 fits the text best" in lines[-1]
    done = charrnn("eval", "run", shipped, "text.txt", "--show", "--format", "jsonl", cwd=other)
    first = json.loads(done.stdout.splitlines()[0])
    assert [one["model"] for one in first["models"]] == ["run/best.npz", shipped]
    done = charrnn("eval", "run", "bytes", "text.txt", "--show", cwd=other)
    assert done.returncode == 2
    assert b"is a model of chars, but bytes/best.npz is one of bytes" in done.stderr


def test_a_page_holds_the_text_and_nothing_that_runs(other: Path) -> None:
    text = "<script>alert('zig')</script> & \"zag\" \x1b[2J\n"
    page = shown(other, text, "--show", "--format", "html", "--guesses", "0")
    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert "http" not in page
    assert "\x1b" not in page
    body = re.sub(r"<[^>]*>", "", page.partition("<pre>")[2].partition("</pre>")[0])
    assert unescape(body) == text.replace("\x1b", "\\x1b").replace("\n", "↵\n")
    assert "light dark" in page
    with_guesses = shown(other, text, "--show", "--format", "html", "--out", "page.html")
    assert with_guesses == ""
    page = (other / "page.html").read_text(encoding="utf-8")
    assert 'title="' in page
    assert "<script" not in page


class _Page(HTMLParser):
    """What a page shows, and what it shows under the pointer."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.titles = "", [""][:0]

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ("html", "meta", "title", "style", "h1", "p", "span", "pre")
        assert {name for name, _ in attrs} <= {
            "class",
            "title",
            "charset",
            "lang",
            "name",
            "content",
        }
        self.titles += [value or "" for name, value in attrs if name == "title"]


def test_guesses_are_text_on_a_page_too(other: Path) -> None:
    shipped = str(package.load().path)
    text = 'The "yield" <b>\n'
    page = _Page()
    page.feed(shown(other, text, "--show", "--format", "html", run=shipped))
    assert text.replace("\n", "↵\n") in page.text
    assert len(page.titles) == len(text)
    assert any('" ' in title for title in page.titles)
    assert all(re.match(r"\d+\.\d\d nats: .* \d+%$", title) for title in page.titles)


def test_the_python_of_the_document_runs(capfd: pytest.CaptureFixture[str]) -> None:
    document = (ROOT / "docs/looking.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", document, re.DOTALL)
    run = subprocess.run([sys.executable, "-c", code], env=environment(), check=False)
    shown = capfd.readouterr()
    assert run.returncode == 0, shown.err
    assert re.search(r"Passage\(start=\d+, place=\d+, length=\d{3}\)", shown.out)
    assert "Follows(feature=" in shown.out


def test_lines_are_ranked(other: Path) -> None:
    text = "zig zag zog\n\nQQQ\x1b[31m\nzag zig\n"
    rows = shown(other, text, "--by-line").splitlines()
    assert rows[0].split() == ["rank", "line", "nats", "nats/char", "text"]
    assert rows[-1].split()[:2] == ["3", "3"]
    assert rows[-1].endswith("QQQ\\x1b[31m")
    model = package.load(other / "run")
    records = records_of(other, text, "--by-line")
    assert {record["line"] for record in records} == {1, 3, 4}
    for record in records:
        score = model.score(record["text"] + "\n").total
        assert record["nats"] == pytest.approx(score, rel=1e-4)
    shipped = str(package.load().path)
    done = charrnn("eval", "run", shipped, "text.txt", "--by-line", "--format", "jsonl", cwd=other)
    record = json.loads(done.stdout.splitlines()[0])
    assert record["who"] == "run/best.npz"
    assert len(record["nats"]) == 2


def test_the_validation_set_is_shown_if_no_text_is_named(other: Path) -> None:
    done = charrnn("eval", "run", "--show", cwd=other)
    assert done.returncode == 0, done.stderr
    scored = json.loads(charrnn("eval", "run", "--json", cwd=other).stdout)
    mean = scored["network"]["state carried"]["nats"]
    assert f"{scored['scored']:,} characters, {mean:.4f} nats each" in done.stdout.decode()


def test_the_training_text_is_recognised(other: Path) -> None:
    done = charrnn("eval", "run", "corpus.txt", "--show", cwd=other)
    assert b"run/best.npz was trained on this text" in done.stderr
    done = charrnn("eval", "run", "-", "--show", cwd=other, stdin=b"zig\n")
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("text.txt", "--guesses", "2"), "--guesses goes with --show"),
        (("text.txt", "--format", "html"), "--format goes with --show or --by-line"),
        (("text.txt", "--show", "--copies"), "--show and --copies exclude each other"),
        (("text.txt", "--show", "--mix"), "--mix does not go with --show"),
        (("text.txt", "--show", "--json"), "--json goes with --copies"),
        (("text.txt", "--by-line", "--format", "html"), "--by-line writes text or jsonl"),
        (("--by-line",), "--by-line needs a text"),
        (("empty.txt", "--show"), "empty.txt is empty"),
        (("blank.txt", "--by-line"), "blank.txt has only empty lines"),
        (("bad.txt", "--show"), "'bad.txt' is not utf-8: byte 0xff at offset 2 (line 1)"),
        (("text.txt", "--show", "--out", "no/page.html"), "--out no/page.html: No such file"),
        (("text.txt", "--show", "--train", "text.txt"), "--show with a FILE does not need --train"),
        (("run", "--show"), "several models need a text"),
    ],
)
def test_what_is_impossible_is_reported_on_one_line(
    other: Path, options: tuple[str, ...], message: str
) -> None:
    for name, data in (("text", b"zig\n"), ("empty", b""), ("blank", b"\n\n"), ("bad", b"zi\xff")):
        (other / f"{name}.txt").write_bytes(data)
    done = charrnn("eval", "run", *options, cwd=other)
    assert done.returncode == 2
    assert message in done.stderr.decode()
    assert done.stdout == b""


@pytest.mark.parametrize("way", [["--show"], ["--show", "--format", "jsonl"], ["--by-line"]])
def test_a_file_is_whole_or_unchanged(other: Path, way: list[str], tmp_path: Path) -> None:
    """If the end of a text cannot be read, an existing file is not lost."""
    out = tmp_path / "out"
    out.write_text("before", encoding="utf-8")
    (tmp_path / "broken.txt").write_bytes(b"zig zag\n" * 20_000 + b"\xff")
    (tmp_path / "good.txt").write_bytes(b"zig zag\n")
    for text, code in (("broken.txt", 2), ("good.txt", 0)):
        done = charrnn("eval", "run", str(tmp_path / text), *way, "--out", str(out), cwd=other)
        assert done.returncode == code, done.stderr
        assert (out.read_text(encoding="utf-8") == "before") == bool(code)
        assert not done.stdout
    straight = charrnn("eval", "run", str(tmp_path / "good.txt"), *way, cwd=other).stdout
    assert out.read_bytes() == straight
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.txt", "good.txt", "out"]
    dash = charrnn("eval", "run", str(tmp_path / "good.txt"), *way, "--out", "-", cwd=other)
    assert dash.stdout == straight
