"""The contents of a page, which models can have one, and the command that writes it."""

import base64
import hashlib
import json
import re
import zlib
from collections import Counter
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_models import drawn_model
from support import ROOT, TEXT, TINY, charrnn

import charrnn as library
from charrnn.errors import CheckpointError, InputError
from charrnn.own_cells import load_cell
from charrnn.page.content import content_of
from charrnn.page.export import write_page
from charrnn.page.modules import joined, source
from charrnn.page.weights import packed, scales

NAMES = sorted(path.name for path in files("charrnn.page").iterdir())
MODULES = [name for name in NAMES if name.endswith(".js")]


def written(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def part(html: str, name: str) -> str:
    return html.split(f'id="{name}">')[1].split("</script>")[0]


def test_every_module_is_in_a_page_once() -> None:
    threads = [joined("main.js"), joined("worker.js"), joined("example.js")]
    for name in MODULES:
        counts = [text.count(f"// {name}\n") for text in threads]
        assert 1 in counts, name
        assert max(counts) == 1, name
    for text in threads:
        assert not re.search(r"^(import|export)\b", text, re.MULTILINE)
        top = re.findall(r"^(?:async )?(?:const|class|function\*?) (\w+)", text, re.MULTILINE)
        assert [name for name, count in Counter(top).items() if count > 1] == []


@pytest.mark.parametrize("name", MODULES)
def test_modules_hold_no_markup(name: str) -> None:
    """Nothing that would end their script, and nothing that makes elements."""
    text = source(name)
    for word in ("</script", "<!--", "innerHTML", "outerHTML", "insertAdjacentHTML", "eval("):
        assert word not in text
    assert len(text.splitlines()) < 400


def test_a_policy_allows_only_the_pages_own_parts(tmp_path: Path) -> None:
    write_page(drawn_model(tmp_path / "m.npz"), tmp_path / "p.html")
    html = written(tmp_path / "p.html")
    found = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert found is not None
    policy = dict(rule.split(" ", 1) for rule in found[1].split("; "))
    assert policy["default-src"] == "'none'"
    assert not re.search("unsafe|http|\\*", found[1])
    for directive, tag in (("script-src", '<script type="module">'), ("style-src", "<style>")):
        text = html.split(tag)[1].split(f"</{tag[1:].split('>')[0].split(' ')[0]}>")[0]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy[directive] == f"'sha256-{digest}'"
    assert "://" not in html.replace("http://www.w3.org/2000/svg", "")


def test_strings_cannot_end_the_data(tmp_path: Path) -> None:
    odd = "</script><!--\u2028\u2029\x00&"
    model = drawn_model(tmp_path / "m.npz", known="<>/ab")
    write_page(model, tmp_path / "p.html", note=odd, with_text=odd)
    html = written(tmp_path / "p.html")
    data = part(html, "content")
    assert json.loads(data)["about"]["note"] == odd
    assert data.isascii()
    assert "<" not in data + part(html, "weights")
    assert html.count("<script") == html.count("</script") == 4


def test_the_facts_on_a_page(tmp_path: Path) -> None:
    """Names, but not paths; what baselines reach, if the text is still there."""
    (tmp_path / "texts").mkdir()
    corpus = tmp_path / "texts" / "small.txt"
    corpus.write_text(TEXT * 2, encoding="utf-8")
    options = (*TINY, "--epochs", "1", "--threads", "1", "--out", "runs/it")
    assert charrnn("train", "texts/small.txt", *options, cwd=tmp_path).returncode == 0
    command = ("export", "runs/it", "page.html", "--with-text", "--note", "free")
    done = charrnn(*command, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"page.html: " in done.stderr
    html = written(tmp_path / "page.html")
    data = json.loads(part(html, "content"))
    facts = dict(data["about"]["facts"])
    assert data["name"] == "it"
    assert "<title>it " in html
    assert facts["Trained on"] == "small.txt"
    assert facts["SHA-256"] == hashlib.sha256(corpus.read_bytes()).hexdigest()
    assert facts["Size"].startswith("1,200 characters, the last 10")
    assert dict(data["about"]["settings"])["hidden"] == "8"
    assert data["about"]["text"] == TEXT * 2
    assert data["about"]["note"] == "free"
    assert len(data["about"]["curve"]["val"]) == 1
    methods = [name for name, _ in data["about"]["curve"]["baselines"]]
    assert methods[:2] + methods[3:] == ["unigram", "bigram", "gzip", "bz2", "xz"]
    assert methods[2].endswith("-gram")
    assert [sample["temperature"] for sample in data["about"]["samples"]] == [0.5, 0.8, 1.0, 1.2]
    assert str(tmp_path) not in html
    assert "texts/" not in html
    corpus.unlink()
    done = charrnn("export", "runs/it", "page.html", cwd=tmp_path)
    assert done.returncode == 0
    about = json.loads(part(written(tmp_path / "page.html"), "content"))["about"]
    assert about["curve"]["baselines"] == []
    assert about["text"] is None
    done = charrnn("export", "runs/it", "page.html", "--with-text", cwd=tmp_path)
    assert done.returncode == 2
    assert b"is not there" in done.stderr


def test_the_last_checkpoint_of_another_run_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "small.txt").write_text(TEXT, encoding="utf-8")
    options = ("--hidden", "8", "--epochs", "1", "--threads", "1")
    for name, seed in (("one", "1"), ("two", "2")):
        train = ("train", "small.txt", *options, "--seed", seed, "--out", f"runs/{name}")
        assert charrnn(*train, cwd=tmp_path).returncode == 0
    runs = tmp_path / "runs"
    own = dict(content_of(library.load(runs / "one")).data["about"]["facts"])
    assert own["Trained on"] == "small.txt"
    (runs / "two" / "last.npz").replace(runs / "one" / "last.npz")
    facts = dict(content_of(library.load(runs / "one")).data["about"]["facts"])
    assert not {"Trained on", "Size", "SHA-256"} & set(facts)


LABELLED = "".join(f"{'pq'[k % 2]}\tword {k}\n" for k in range(40))
LINES = "".join(f"line {k}\n" for k in range(60)) + "\n"


@pytest.mark.parametrize(
    ("text", "options", "shown", "size"),
    [
        (LABELLED, ("--task", "generate"), LABELLED, "40 texts"),
        (TEXT, ("--val-fraction", "0"), TEXT, "600 characters"),
        (
            LINES,
            ("--lines", "--val-fraction", "0.2"),
            LINES[:-1],
            "470 characters, 20% of the lines for validation, drawn from all over",
        ),
        (TEXT.replace("\n", "\r\n"), ("--level", "byte"), TEXT.replace("\n", "\r\n"), None),
    ],
)
def test_a_page_can_include_the_training_text(
    tmp_path: Path, text: str, options: tuple[str, ...], shown: str, size: str | None
) -> None:
    """In the order of its file; but not a text that has changed or is unknown."""
    corpus = tmp_path / "small.txt"
    corpus.write_bytes(text.encode())
    train = ("train", "small.txt", "--hidden", "8", "--epochs", "1", "--threads", "1", *options)
    assert charrnn(*train, "--out", "runs/it", cwd=tmp_path).returncode == 0
    command = ("export", "runs/it", "page.html", "--with-text")
    done = charrnn(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    about = json.loads(part(written(tmp_path / "page.html"), "content"))["about"]
    assert about["text"] == shown
    if size is not None:
        assert dict(about["facts"])["Size"] == size
    for change, words in (
        (lambda: corpus.write_bytes(text.encode() + b"p\tmore\n"), b"small.txt has changed since"),
        (corpus.unlink, b"is not there (file 'small.txt' does not exist)"),
        ((tmp_path / "runs" / "it" / "last.npz").unlink, b"does not say what it was trained on"),
    ):
        change()
        done = charrnn(*command, cwd=tmp_path)
        assert done.returncode == 2
        assert words in done.stderr
        assert b"leave out --with-text" in done.stderr
        assert b"--train" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("corpus", "facts"),
    [
        (
            {"paths": ["C:\\Users\\secret\\home.txt", "/secret/b.txt"], "length": 9},
            {"Trained on": "home.txt b.txt", "Size": "9 characters, the last 10% for validation"},
        ),
        ({"paths": [], "length": -5, "sha256": "a" * 64}, {"SHA-256": "a" * 64}),
        ({"paths": [None, {}], "length": 1e308, "sha256": {}}, {}),
        ({"paths": ["a"], "length": True, "sha256": "a"}, {"Trained on": "a"}),
        (
            {"paths": ["a"], "val": "b", "length": 9},
            {"Trained on": "a", "Size": "9 characters"},
        ),
        ({"paths": "a"}, {}),
    ],
)
def test_headers_are_not_trusted(
    tmp_path: Path, corpus: dict[str, Any], facts: dict[str, str]
) -> None:
    header = {"training": {"corpus": corpus}}
    content = content_of(drawn_model(tmp_path / "m.npz", header=header))
    found = dict(content.data["about"]["facts"])
    if not corpus["paths"]:
        facts = {"Trained on": "the help topics of Python", **facts}
    for name in ("Network", "Parameters", "Knows"):
        del found[name]
    assert found == facts


def test_models_without_a_page_are_refused(tmp_path: Path) -> None:
    model = drawn_model(tmp_path / "m.npz")
    page = tmp_path / "p.html"
    with pytest.raises(InputError, match="not a language model"):
        write_page(replace(model, spec=object()), page)
    with pytest.raises(InputError, match="choose from float24, float32, int16"):
        write_page(model, page, precision="float16")
    cell = f"{ROOT / 'tests' / 'plain_cells.py'}:PlainRNN"
    own = drawn_model(tmp_path / "m.npz", cell=cell, own_cell=load_cell(cell, 24))
    with pytest.raises(InputError, match="its author's own cell"):
        write_page(own, page)
    with pytest.raises(InputError, match="another loss"):
        write_page(replace(model, network=replace(model.network, loss="sigmoid")), page)
    assert not page.exists()


def test_a_failed_write_leaves_the_old_page(tmp_path: Path) -> None:
    model = drawn_model(tmp_path / "m.npz")
    (tmp_path / "folder").mkdir()
    for path in ("nowhere/p.html", "folder"):
        with pytest.raises(CheckpointError, match="cannot write"):
            write_page(model, tmp_path / path)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nosuch", "p.html"), 2, b"'nosuch' does not exist"),
        (("MODEL", "p.pt", "--note", "x"), 2, b"--note needs a .html file"),
        (("MODEL", "nowhere/p.html"), 1, b"cannot write 'nowhere/p.html'"),
        (("MODEL", "p.html", "--precision", "float16"), 2, b"float24"),
    ],
)
def test_errors_of_the_command(
    tmp_path: Path, arguments: tuple[str, ...], code: int, words: bytes
) -> None:
    shipped = str(ROOT / "checkpoints" / "pydoc.npz")
    given = [shipped if argument == "MODEL" else argument for argument in arguments]
    done = charrnn("export", *given, cwd=tmp_path)
    assert done.returncode == code
    assert words in done.stderr
    assert b"Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        ({"cell": "lstm", "hidden": 256}, 1.6e6),
        ({"cell": "gru", "hidden": 512, "layers": 2}, 10e6),
    ],
)
def test_sizes_of_pages(tmp_path: Path, settings: dict[str, Any], most: float) -> None:
    known = "".join(map(chr, range(32, 132)))
    write_page(drawn_model(tmp_path / "m.npz", known=known, **settings), tmp_path / "p.html")
    assert (tmp_path / "p.html").stat().st_size < most


def test_the_page_in_the_documents_is_up_to_date() -> None:
    """Its parts and numbers; what it shows as samples may differ from machine to machine.

    See docs/page.md for the command that makes it.
    """
    path = ROOT / "docs" / "model.html"
    assert path.stat().st_size <= 700_000
    html = written(path)
    assert (
        html.split('<script type="module">')[1]
        == f"\n{joined('main.js')}</script>\n</body>\n</html>\n"
    )
    assert part(html, "worker") == f"\n{joined('worker.js')}"
    assert f"<style>\n{source('style.css')}</style>" in html
    found = json.loads(part(html, "content"))
    model = library.load(ROOT / "checkpoints" / "pydoc.npz")
    content = content_of(model, note=found["about"]["note"])
    data = json.loads(json.dumps(content.data)) | {"precision": "int16"}
    # All but the opening, which is computed.
    number = len(model.parameters)
    factors, count = found.pop("scales"), model.parameters.flat.size
    np.testing.assert_array_equal(factors[:number], scales(content.tensors)[:number])
    np.testing.assert_allclose(factors, scales(content.tensors), rtol=1e-2)
    stored, fresh = (
        unpacked(weights.split())
        for weights in (part(html, "weights"), packed(content.tensors, "int16"))
    )
    np.testing.assert_array_equal(stored[:count], fresh[:count])
    np.testing.assert_allclose(stored[count:], fresh[count:], atol=200)
    # Its text comes with one Python only; compressors differ a little.
    curves = [one["about"]["curve"] for one in (found, data)]
    shown, made = (dict(curve.pop("baselines")) for curve in curves)
    assert list(shown) == ["unigram", "bigram", "7-gram", "gzip", "bz2", "xz"]
    assert made in ({}, pytest.approx(shown, rel=0.02))
    for one in (found, data):
        del one["about"]["samples"], one["named"]
    assert found == data
    facts = dict(found["about"]["facts"])
    assert facts["Trained on"] == "the help topics of Python"
    assert facts["Size"] == "465,126 characters, the last 10% for validation"
    assert facts["SHA-256"].startswith("71f2ff5d99bd")


def unpacked(planes: list[str]) -> np.ndarray[Any, Any]:
    """What weights.js does, in Python: the digits as one large number."""
    digits = [chr(code) for code in range(33, 127) if chr(code) not in "<&\\"]
    value = {digit: number for number, digit in enumerate(digits)}
    found = []
    for plane in planes:
        pairs = [value[a] + 91 * value[b] for a, b in zip(plane[::2], plane[1::2], strict=False)]
        bits = "".join(f"{pair:013b}"[::-1] for pair in pairs)
        if len(plane) % 2:
            bits += f"{value[plane[-1]]:06b}"[::-1]
        usable = len(bits) // 8 * 8
        data = bytes(int(bits[k : k + 8][::-1], 2) for k in range(0, usable, 8))
        found.append(np.frombuffer(zlib.decompress(data), np.uint8))
    return np.stack(found, axis=1).reshape(-1).view("<i2").astype(np.float32)
