"""The page of the worked example: its numbers, for any given values, and how they are shown."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Browser, Tab, axe_violations, browser, needs_chromium
from page_models import needs_node, node
from support import ROOT, charrnn

from charrnn.explaining.notation import plain
from charrnn.explaining.worked import GIVEN, worked_example
from charrnn.page import write_example

Given = dict[str, Any]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "example.html"
    write_example(path)
    return path


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


# The numbers, in Node


def worked_out(page: Path, *asked: Given) -> list[list[dict[str, Any]]]:
    """The sections of the page for each set of given values."""
    done = subprocess.run(
        [node(), str(ROOT / "tests" / "page_example.mjs")],
        input=json.dumps([str(page), asked]),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: list[list[dict[str, Any]]] = json.loads(done.stdout)
    return found


def numbers(line: dict[str, Any]) -> np.ndarray[Any, Any]:
    return np.array([one["value"] for one in line["each"]]).reshape(line["shape"])


@needs_node
def test_the_examples_numbers_are_those_of_explain(page: Path) -> None:
    (found,) = worked_out(page, GIVEN)
    expected = worked_example().sections
    assert [section["title"] for section in found] == [section.title for section in expected]
    for section, other in zip(found, expected, strict=True):
        assert len(section["lines"]) == len(other.lines)
        for line, one in zip(section["lines"], other.lines, strict=True):
            np.testing.assert_allclose(numbers(line), one.value, rtol=1e-12, atol=1e-15)
            # The same equation, but that the bias of the head has a name of its own.
            equation = plain(one.equation.latex, other.step)
            assert line["shown"].replace("b_y", "b") == equation
            assert line["what"] == one.equation.what


def by_numpy(given: Given) -> list[dict[str, Any]]:
    """Every section in plain NumPy; names are followed by the step."""
    x1, x2, h0, w_x, w_h, b, w, b_y = (np.array(value) for value in given.values())
    a1 = x1 @ w_x + h0 @ w_h + b
    h1 = np.tanh(a1)
    a2 = x2 @ w_x + h1 @ w_h + b
    h2 = np.tanh(a2)
    one, zero = np.ones((1, 1)), np.zeros((1, 1))

    def back(dy: Any, later: Any, h: Any, t: int) -> dict[str, Any]:
        dh = dy @ w.T + later
        slope = 1 - h**2
        da = dh * slope
        names = f"dy_{t} dh_{t} φ'(a_{t}) da_{t} ←dh_{t - 1} dx_{t}".split()
        return dict(zip(names, (dy, dh, slope, da, da @ w_h.T, da @ w_x.T), strict=True))

    alone = back(one, 0, h1, 1)
    second = back(one, 0, h2, 2)
    first = back(zero, second["←dh_1"], h1, 1)
    da1, da2 = first["da_1"], second["da_2"]
    return [
        {"a_1": a1, "h_1": h1, "y_1": h1 @ w + b_y},
        alone,
        {
            "dW": h1.T,
            "db_y": one,
            "dW_h": h0.T @ alone["da_1"],
            "dW_x": x1.T @ alone["da_1"],
            "db": alone["da_1"],
        },
        {"a_2": a2, "h_2": h2, "y_2": h2 @ w + b_y},
        second,
        first,
        {
            "dW": h2.T,
            "db_y": one,
            "dW_h": h0.T @ da1 + h1.T @ da2,
            "dW_x": x1.T @ da1 + x2.T @ da2,
            "db": da1 + da2,
        },
    ]


@needs_node
def test_with_other_numbers_they_are_those_of_numpy(page: Path) -> None:
    generator = np.random.default_rng(0)
    asked = [
        {
            name: generator.normal(0, scale, np.shape(value)).tolist()
            for name, value in GIVEN.items()
        }
        for scale in (0.5, 1, 30)
    ]
    for given, sections in zip(asked, worked_out(page, *asked), strict=True):
        for section, expected in zip(sections, by_numpy(given), strict=True):
            lines = {line["result"]: numbers(line) for line in section["lines"]}
            assert lines.keys() == expected.keys()
            for name, value in lines.items():
                np.testing.assert_allclose(value, expected[name], 1e-12, 1e-12, err_msg=name)


@needs_node
def test_products_are_written_out_with_their_numbers(page: Path) -> None:
    tiny = {**GIVEN, "x_1": [[1e-10]], "b": [[0.25, -3]]}
    first, other = worked_out(page, GIVEN, tiny)
    texts = [[one["text"] for one in line["each"]] for line in first[0]["lines"]]
    assert texts[0] == ["1·0.5 + 0·0.4 + 0·0.2 + 0", "1·0.1 + 0·0.3 + 0·0.7 + 0"]
    assert texts[2] == ["0.46211716·1 + 0.09966799·(−1) + 0"]
    (dw_h,) = (line for line in first[-1]["lines"] if line["result"] == "dW_h")
    assert dw_h["each"][3]["text"] == "0·(−0.50613339) + 0.09966799·(−0.91060898)"
    # What is not zero does not look like it.
    assert other[0]["lines"][0]["each"][1]["text"] == "1e−10·0.1 + 0·0.3 + 0·0.7 + −3"


# What is seen, in Chromium


def typed(tab: Tab, field: str, value: str) -> None:
    """Type with the keyboard, replacing the old text."""
    tab.run(f"(() => {{ const f = document.getElementById('{field}'); f.focus(); f.select(); }})()")
    tab.ask("Input.insertText", text=value)


def shown(tab: Tab) -> list[list[float]]:
    """The result of each line of numbers, section by section."""
    found = tab.run(
        "[...document.querySelectorAll('#sections section')].map((section) => "
        "[...section.querySelectorAll('strong')].map((one) => one.textContent))"
    )
    return [[float(one.replace("−", "-")) for one in section] for section in found]


def flat(given: Given) -> list[list[float]]:
    return [
        [float(one) for value in section.values() for one in np.ravel(value)]
        for section in by_numpy(given)
    ]


def close(found: list[list[float]], expected: list[list[float]]) -> bool:
    assert [len(section) for section in found] == [len(section) for section in expected]
    pairs = zip(found, expected, strict=True)
    return all(np.allclose(one, other, rtol=0, atol=6e-9) for one, other in pairs)


@needs_chromium
def test_a_number_that_is_typed_changes_all_that_follows(chromium: Browser, page: Path) -> None:
    tab = Tab(chromium, page)
    assert close(shown(tab), flat(GIVEN))
    assert tab.run("document.getElementById('outputs').textContent") == (
        "y_1 = 0.36244916, y_2 = 0.30841004"
    )
    for field, name, place, value in (
        ("W_h-1", "W_h", (0, 1), "-1.25"),
        ("h_0-0", "h_0", (0, 0), "0.5"),
        ("x_2-0", "x_2", (0, 0), "-2"),
        ("b_y-0", "b_y", (0, 0), "3e-1"),
    ):
        given = {other: np.array(matrix) for other, matrix in GIVEN.items()}
        given[name][place] = float(value)
        typed(tab, field, value)
        assert close(shown(tab), flat(given)), field
        tab.click("#reset")
        assert close(shown(tab), flat(GIVEN))
    tab.run("document.getElementById('W-0').focus()")
    tab.press("ArrowUp")
    assert close(shown(tab), flat({**GIVEN, "W": [[1.1], [-1]]}))
    assert tab.said() == []
    assert [address.partition(":")[0] for address in tab.asked_for()] == ["file"]
    tab.close()


@needs_chromium
@pytest.mark.parametrize("value", ["", "-", "1e", "100.5", "-1e300", "<b>"])
def test_an_invalid_number_is_reported_in_place(chromium: Browser, page: Path, value: str) -> None:
    """The results stay unchanged until it is valid."""
    tab = Tab(chromium, page)
    tab.run("document.getElementById('W_x-1').value = ''")
    typed(tab, "W_x-1", value)
    tab.run("document.getElementById('W_x-1').dispatchEvent(new Event('input'))")
    said = "[...document.querySelectorAll('.wrong')].map((one) => one.textContent).join('')"
    assert tab.run(said).startswith("unit 1: a number from −100 to 100 is needed.")
    assert tab.run("document.getElementById('W_x-said').textContent") == tab.run(said)
    invalid = "[...document.querySelectorAll('[aria-invalid=true]')].map((one) => one.id)"
    assert tab.run(invalid) == ["W_x-1"]
    typed(tab, "x_1-0", "0.5")
    assert close(shown(tab), flat(GIVEN))
    typed(tab, "W_x-1", "0.55")
    assert tab.run(said) == ""
    assert tab.run(invalid) == []
    assert close(shown(tab), flat({**GIVEN, "x_1": [[0.5]], "W_x": [[0.5, 0.55]]}))
    typed(tab, "W_x-1", "1e9")
    tab.click("#reset")
    assert tab.run(said) == ""
    assert close(shown(tab), flat(GIVEN))
    assert tab.said() == []
    tab.close()


@needs_chromium
@pytest.mark.parametrize("width", [360, 800, 1400])
def test_the_example_fits_the_window(chromium: Browser, page: Path, width: int) -> None:
    """With long numbers, too."""
    tab = Tab(chromium, page, width=width)
    for field in ("W_h-0", "W_h-3", "W-0", "W-1", "x_1-0"):
        typed(tab, field, "-99.12345678")
    root = "document.documentElement"
    assert tab.run(f"{root}.scrollWidth <= {root}.clientWidth")
    tab.close()


@needs_chromium
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_is_accessible(chromium: Browser, page: Path, dark: bool) -> None:
    tab = Tab(chromium, page, dark=dark)
    assert axe_violations(tab) == []
    typed(tab, "W_h-0", "1000")
    assert axe_violations(tab) == []
    groups = tab.run(
        "[...document.querySelectorAll('fieldset')].map((one) => "
        "[one.querySelector('legend').textContent, "
        "...[...one.querySelectorAll('label')].map((label) => label.textContent)])"
    )
    assert groups[0] == ["x_1", "first input"]
    assert groups[4][:3] == ["W_h state before to state", "unit 0 to unit 0", "unit 0 to unit 1"]
    tab.close()


# The command


def test_the_command_writes_one_file(tmp_path: Path, page: Path) -> None:
    done = charrnn("export", "--example", "it.HTML", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"it.HTML: " in done.stderr
    html = (tmp_path / "it.HTML").read_text(encoding="utf-8")
    assert html == page.read_text(encoding="utf-8")
    assert html.count("<script") == html.count("</script") == 2
    assert "worker" not in html.split('Content-Security-Policy" content="')[1].split('"')[0]
    assert "://" not in html.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("latest", "p.html"), 2, b"--example takes no model, got 'latest'"),
        (("p.onnx",), 2, b"'p.onnx' does not end in .html"),
        (("p.html", "--note", ""), 2, b"--note needs a model and does not go with --example"),
        (("p.html", "--with-text"), 2, b"--with-text needs a model"),
        (("p.html", "--precision", "float32"), 2, b"--precision needs a model"),
        (("p.html", "--cell", "a.py:A"), 2, b"--cell needs a model"),
        (("nowhere/p.html",), 1, b"cannot write 'nowhere/p.html'"),
    ],
)
def test_errors_of_the_command(
    tmp_path: Path, arguments: tuple[str, ...], code: int, words: bytes
) -> None:
    done = charrnn("export", "--example", *arguments, cwd=tmp_path)
    assert done.returncode == code
    assert words in done.stderr
    assert b"Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
