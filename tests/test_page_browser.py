"""The page in a browser: what it shows, what it can do, and what must not happen."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unicodedata import category

import numpy as np
import pytest
from browser import Browser, Tab, axe_violations, browser, needs_chromium
from page_models import drawn_model, labelled_model
from support import ROOT
from test_page_learn import write_named_page

from charrnn.page.export import write_page
from charrnn.runs.model import Model

pytestmark = needs_chromium

HOSTILE = '</script><script>window.ran = 1</script><img src=x onerror="window.ran = 1">\u2028{{}}$x'
WRITTEN = "document.getElementById('written')"
STATUS = "document.getElementById('write-status').textContent"
DONE = f"{STATUS}.startsWith('Wrote')"
LOOKED = "document.getElementById('look-status').textContent.includes('nats')"
KNOWN = "\n abcdefghij"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("model")
    return drawn_model(folder / "small.npz", known=KNOWN, cell="lstm", layers=2, header=HEADER)


@pytest.fixture(scope="module")
def page(model: Model) -> Path:
    path = model.path.with_suffix(".html")
    write_page(model, path, precision="float32", note="a note", with_text="abc\nabc")
    return path


HEADER: dict[str, Any] = {
    "history": [
        {"step": step, "epoch": 1.0, "train": 4.0 / step, "val": 3.0 / step} for step in (1, 2, 3)
    ]
}


def put(tab: Tab, field: str, value: str) -> None:
    tab.run(
        f"(() => {{ const one = document.getElementById('{field}'); one.value = {value!r}; "
        "one.dispatchEvent(new Event('input')); })()"
    )


def opened(chromium: Browser, path: Path, **how: Any) -> Tab:
    tab = Tab(chromium, path, **how)
    tab.until(DONE)
    return tab


def write(tab: Tab, button: str = "#begin") -> str:
    """The text that is shown when a button's work is done."""
    tab.run("document.getElementById('write-status').textContent = ''")
    tab.click(button)
    tab.until(DONE)
    return str(tab.run(f"{WRITTEN}.textContent"))


def test_the_page_writes_what_python_writes(chromium: Browser, model: Model, page: Path) -> None:
    tab = opened(chromium, page)
    assert len(tab.run(f"{WRITTEN}.textContent")) == 500
    put(tab, "seed", "7")
    put(tab, "length", "200")
    put(tab, "prompt", "abc")
    assert write(tab) == model.sample("abc", length=200, temperature=0.8, seed=7)
    put(tab, "prompt", "")
    put(tab, "temperature", "1.1")
    put(tab, "top-k", "5")
    begun = write(tab)
    whole = model.sample("", length=300, temperature=1.1, top_k=5, seed=7)
    assert begun == whole[:200]
    # The numbers go on where they were.
    put(tab, "length", "100")
    assert write(tab, "#go-on") == whole
    again = write(tab, "#again")
    assert again[:200] == whole[:200]
    assert again != whole
    tab.click("#undo")
    assert tab.run(f"{WRITTEN}.textContent") == whole
    tab.click("#undo")
    assert tab.run(f"{WRITTEN}.textContent") == begun
    # Again is the same step again: here from the beginning.
    assert len(write(tab, "#again")) == 100
    assert tab.said() == []
    addresses = tab.asked_for()
    assert [address.partition(":")[0] for address in addresses] == ["file", "blob"]
    tab.close()


def test_another_character_can_be_chosen_and_continued(chromium: Browser, page: Path) -> None:
    """With the mouse and with the keyboard."""
    tab = opened(chromium, page)
    put(tab, "seed", "3")
    put(tab, "length", "30")
    before = write(tab)
    k = next(k for k in range(5, 30) if before[k] != "\n")
    tab.hover(f"#written span:nth-child({k + 1})")
    tab.until("!document.getElementById('popup').hidden")
    shown = tab.run("[...document.querySelectorAll('#popup .row')].map((row) => row.innerText)")
    assert len(shown) == 8
    tab.run(
        "[...document.querySelectorAll('#popup button')]"
        ".find((one) => !one.matches('.own') && one.innerText.length < 8).id = 'other'"
    )
    other = tab.run("document.querySelector('#other .name').textContent")
    after = write(tab, "#other")
    assert after[:k] == before[:k]
    assert after[k] == {"space": " ", "line end": "\n"}.get(other, other) != before[k]
    assert len(after) == k + 1 + 30
    tab.run(f"{WRITTEN}.focus()")
    for key in ("Home", "ArrowRight", "ArrowRight"):
        tab.press(key)
    tab.until(f"{WRITTEN}.children[2].matches('.current')")
    tab.until("!document.getElementById('popup').hidden")
    tab.press("Enter")
    tab.until("document.activeElement.matches('#popup button')")
    first = tab.run("document.activeElement.querySelector('.name').textContent")
    tab.press("ArrowDown")
    second = tab.run("document.activeElement.querySelector('.name').textContent")
    tab.run("document.getElementById('write-status').textContent = ''")
    tab.press("Enter")
    tab.until(DONE)
    text = tab.run(f"{WRITTEN}.textContent")
    assert second != first
    assert text[:2] == after[:2]
    assert text[2] == {"space": " ", "line end": "\n"}.get(second, second)
    assert len(text) == 33
    assert tab.said() == []
    tab.close()


def test_a_text_can_be_stopped(chromium: Browser, page: Path) -> None:
    tab = opened(chromium, page)
    put(tab, "length", "100000")
    tab.click("#begin")
    tab.until(f"{WRITTEN}.textContent.length > 100")
    tab.click("#stop")
    tab.until(f"{STATUS}.startsWith('Stopped')")
    count = tab.run(f"{WRITTEN}.textContent.length")
    assert 100 < count < 100000
    put(tab, "length", "10")
    assert len(write(tab, "#go-on")) == count + 10
    put(tab, "stop-text", r"\n")
    put(tab, "length", "5000")
    assert "\n" not in write(tab)
    tab.close()


def test_wrong_settings_are_reported(chromium: Browser, page: Path) -> None:
    tab = opened(chromium, page)
    put(tab, "prompt", "aZb漢")
    tab.click("#begin")
    assert tab.run(STATUS) == "The model does not know Z 漢"
    put(tab, "prompt", "")
    put(tab, "top-p", "2")
    before = tab.run(f"{WRITTEN}.textContent")
    tab.click("#begin")
    assert tab.run("document.getElementById('top-p').matches(':focus')")
    assert tab.run(f"{WRITTEN}.textContent") == before
    tab.close()


def test_a_text_can_be_examined(chromium: Browser, model: Model, page: Path) -> None:
    tab = opened(chromium, page)
    tab.click("#tab-look")
    text = "abc\nZ hig" * 20
    tab.run(f"document.getElementById('look-text').value = {text!r}")
    tab.click("#look-now")
    tab.until(LOOKED)
    line = tab.run("document.getElementById('look-status').textContent")
    score = model.score(text)
    assert f"{score.total:,.1f} nats" in line
    assert f"{score.bits:.3f} bits each" in line
    assert "20 unknown" in line
    assert tab.run("document.getElementById('looked').textContent") == text
    spans = "[...document.querySelectorAll('#looked span')]"
    parts = f"{spans}.map((one) => one.style.getPropertyValue('--part'))"
    edges = [0.5, 1, 2, 3, 4.5, 6, 8]
    shades = np.searchsorted(edges, score.nats / np.log(2), "right") / len(edges)
    assert tab.run(parts) == [f"{shade:.2f}" for shade in shades]
    put(tab, "colour", "unit")
    put(tab, "layer", "1")
    put(tab, "part", "1")
    tab.until("document.querySelectorAll('#looked .below').length > 0")
    tab.click("#take-written")
    tab.until("document.getElementById('looked').textContent.length === 500")
    tab.click("#tab-about")
    tab.until("document.querySelector('svg')")
    about = tab.run("document.getElementById('about').innerText")
    for part in ("a note", "2 × 24 lstm", "12 characters", "temperature 1.2", "validation"):
        assert part in about
    assert tab.said() == []
    tab.close()


def test_a_unit_may_have_a_name(chromium: Browser, tmp_path: Path) -> None:
    model = drawn_model(tmp_path / "m.npz", known=KNOWN, cell="gru", layers=2)
    write_named_page(model, tmp_path / "p.html")
    tab = opened(chromium, tmp_path / "p.html")
    tab.click("#tab-look")
    tab.click("#take-written")
    tab.until(LOOKED)
    names = "[...document.getElementById('colour').options].map((one) => one.textContent)"
    assert tab.run(names) == ["surprise", "a unit", "a unit: a quote"]
    put(tab, "colour", "named-0")
    fields = "['layer', 'part', 'unit'].map((id) => document.getElementById(id).value)"
    assert tab.run(fields) == ["1", "0", "3"]
    tab.until("document.querySelector('#looked .below')")
    put(tab, "unit", "4")
    assert tab.run("document.getElementById('colour').value") == "unit"
    assert tab.run(fields) == ["1", "0", "4"]
    tab.close()


def test_labels_are_chosen(chromium: Browser, tmp_path: Path) -> None:
    model = labelled_model(tmp_path / "m.npz", ["one", HOSTILE])
    write_page(model, tmp_path / "p.html", precision="float32")
    tab = opened(chromium, tmp_path / "p.html")
    options = "[...document.getElementById('label').options].map((one) => one.textContent)"
    assert tab.run(options) == ["one", HOSTILE.replace("\u2028", "‹2028›")]
    put(tab, "seed", "2")
    for k, label in enumerate(["one", HOSTILE]):
        put(tab, "label", str(k))
        assert write(tab) == model.sample(label=label, seed=2, temperature=0.8)
    assert tab.run("window.ran === undefined")
    assert tab.said() == []
    tab.close()


def test_labelled_texts_can_be_examined_and_explained(chromium: Browser, tmp_path: Path) -> None:
    """With the chosen label, which at first is that of the text."""
    write_page(labelled_model(tmp_path / "m.npz", ["one", "two"]), tmp_path / "p.html")
    tab = opened(chromium, tmp_path / "p.html")
    put(tab, "label", "1")
    put(tab, "seed", "2")
    assert len(write(tab)) > 1
    tab.click("#tab-look")
    tab.click("#take-written")
    tab.until(LOOKED)
    assert tab.run("document.getElementById('look-label').value") == "1"
    status = "document.getElementById('look-status').textContent"
    first = tab.run(status)
    assert " characters and the end ∎: " in first
    assert tab.run("document.querySelector('#looked span:last-child').textContent") == "∎"
    tab.hover("#looked span:last-child")
    tab.until("document.querySelector('#popup strong')?.textContent === 'end'")
    put(tab, "look-label", "0")
    tab.until(f"{LOOKED} && {status} !== {first!r}")
    tab.click("#tab-learn")
    tab.until("document.querySelector('#step .line')")
    put(tab, "learn-text", "ab")
    tab.until("document.getElementById('reading').textContent === 'Step 3: ‹start›ab'")
    last = "[...document.querySelectorAll('#step .line')].at(-1)?.innerText"
    tab.until(last)
    before = tab.run(last)
    put(tab, "learn-label", "0")
    tab.until(f"{last} !== {before!r}")
    assert tab.said() == []
    tab.close()


def test_bytes_are_shown_as_characters(chromium: Browser, tmp_path: Path) -> None:
    """A character of several bytes is shown as one, an invalid byte as a sign."""
    model = drawn_model(tmp_path / "bytes.npz", level="byte", cell="gru")
    write_page(model, tmp_path / "p.html", precision="float32")
    tab = opened(chromium, tmp_path / "p.html")
    put(tab, "prompt", "é漢😀")
    put(tab, "length", "300")
    put(tab, "seed", "1")
    write(tab)
    shown = tab.run(f"[...{WRITTEN}.children].slice(0, 3).map((one) => one.textContent)")
    assert shown == ["é", "漢", "😀"]
    tab.click("#tab-look")
    tab.run("document.getElementById('look-text').value = 'é漢😀'")
    tab.click("#look-now")
    tab.until(LOOKED)
    assert tab.run("document.querySelectorAll('#looked span').length") == 3
    total = model.score("é漢😀").total
    assert f"{total:,.1f} nats" in tab.run("document.getElementById('look-status').textContent")
    tab.click("#tab-learn")
    put(tab, "learn-text", "aé")
    tab.until("document.getElementById('reading').textContent === 'Step 3: a‹0xC3›‹0xA9›'")
    assert tab.said() == []
    tab.close()


def test_nothing_in_a_checkpoint_runs(chromium: Browser, tmp_path: Path) -> None:
    odd = {*HOSTILE, *map(chr, range(160)), *map(chr, range(0x2020, 0x2070)), "\ufeff", "\ud800"}
    corpus = {"paths": [f"x/{HOSTILE.replace('/', '&#47;')}"], "sha256": HOSTILE, "length": 7}
    folder = tmp_path / HOSTILE.replace("/", "").replace("\u2028", "")
    model = drawn_model(
        folder / "best.npz",
        known="ab",
        columns="",
        header=HEADER | {"training": {"corpus": corpus, "step": HOSTILE}},
    )
    model = drawn_model_of(model, odd)
    write_page(model, tmp_path / "p.html", note="\x1b\u202e" + HOSTILE, with_text=HOSTILE * 3)
    tab = opened(chromium, tmp_path / "p.html")
    for field in ("prompt", "stop-text"):
        put(tab, field, "<script>")
    write(tab)
    tab.hover("#written span:nth-child(5)")
    tab.click("#tab-look")
    for button in ("#take-written", "#take-passage"):
        tab.click(button)
        tab.until(LOOKED)
    tab.click("#tab-write")
    put(tab, "prompt", "\u200e")
    tab.click("#begin")
    assert tab.run(STATUS) == "The model does not know ‹200E›"
    tab.click("#tab-about")
    tab.click("#about summary")
    tab.until("document.querySelectorAll('#about pre').length === 5")
    assert tab.run("window.ran === undefined")
    assert tab.run("document.querySelectorAll('script').length") == 4
    assert tab.run("document.querySelectorAll('img, iframe, object, a').length") == 0
    note = tab.run("document.querySelector('#about .note').textContent")
    assert note == "␛‹202E›" + HOSTILE.replace("\u2028", "‹2028›")
    shown = tab.run("document.getElementById('about').textContent")
    hidden = {one for one in shown if category(one) in ("Cc", "Cf", "Zl", "Zp")}
    assert hidden <= {"\t", "\n"}
    assert tab.said() == []
    # And if something were to get in after all, the policy would not let it.
    tab.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran=1\">')")
    tab.run(
        "{ const s = document.createElement('script'); s.text = 'window.ran = 1'; "
        "document.body.append(s); }"
    )
    tab.until("true")
    assert tab.run("window.ran === undefined")
    assert len(tab.said()) > 1
    tab.close()


def drawn_model_of(model: Model, known: set[str]) -> Model:
    """A model that knows other characters, including lone surrogates."""
    from dataclasses import replace

    from charrnn.tasks.lm import TextSpec
    from charrnn.text.vocab import Vocabulary

    spec = TextSpec(Vocabulary("char", tuple(sorted(map(ord, known)))))
    network = spec.model(model.config)
    parameters = network.init(np.random.default_rng(0))
    return replace(model, spec=spec, network=network, parameters=parameters)


def test_a_step_is_shown_in_numbers(chromium: Browser, tmp_path: Path) -> None:
    model = drawn_model(tmp_path / "m.npz", known=KNOWN, cell="gru", layers=2)
    write_named_page(model, tmp_path / "p.html")
    tab = opened(chromium, tmp_path / "p.html")
    lines = "document.querySelectorAll('#step .line')"
    tab.click("#tab-learn")
    tab.until(f"{lines}.length === 8")
    put(tab, "learn-text", "abc")
    tab.until("document.querySelector('#reading mark')?.textContent === 'c'")
    assert tab.run("document.getElementById('after').ariaDisabled") == "true"
    tab.click("#before")
    tab.until("document.querySelector('#reading mark').textContent === 'b'")
    put(tab, "learn-layer", "1")
    put(tab, "learn-unit", "22")
    tab.until(f"{lines}[7].querySelectorAll('li').length === 2")
    last = tab.run(f"{lines}[7].innerText").replace("\u2212", "-").split()
    _, state, _ = model.network.forward(
        model.parameters,
        model.vocabulary.encode_text("ab")[:, None].astype(int),
        model.network.zero_state(1),
    )
    assert last[-1] == f"{state[1][0][0, 23]:.4f}"
    put(tab, "learn-text", "Z")
    tab.until("document.getElementById('step').textContent.includes('knows')")
    put(tab, "learn-text", "")
    tab.until("document.getElementById('reading').textContent === 'No text yet.'")
    tab.until("document.getElementById('step').textContent.includes('knows')")
    assert tab.said() == []
    tab.close()


def test_the_focus_stays_and_the_popup_closes(chromium: Browser, page: Path) -> None:
    """A pressed button keeps the focus; the popup closes when it loses that, and on scrolling."""
    tab = opened(chromium, page, height=500)
    focused = "document.activeElement.id"
    for button in ("begin", "go-on", "again", "undo"):
        tab.run(f"document.getElementById('{button}').focus()")
        tab.run("document.getElementById('write-status').textContent = ''")
        tab.press("Enter")
        tab.until(f"{DONE} || {STATUS} === ''")
        assert tab.run(focused) == button
    tab.until("document.getElementById('stop').matches('[aria-disabled=true]')")
    count = tab.run(f"{WRITTEN}.textContent.length")
    tab.run("document.getElementById('stop').click()")
    assert tab.run(f"{WRITTEN}.textContent.length") == count
    shown = "!document.getElementById('popup').hidden"
    for leave in (
        "document.getElementById('undo').focus()",
        "scrollBy(0, scrollY ? -30 : 30)",
        "document.querySelector('#popup button').focus() "
        "|| document.getElementById('undo').focus()",
    ):
        tab.run(f"{WRITTEN}.focus()")
        tab.press("Home")
        tab.until(shown)
        tab.run(leave)
        tab.until(f"!({shown})")
    tab.run(f"{WRITTEN}.focus()")
    tab.press("Home")
    tab.until(shown)
    tab.press("Enter")
    tab.until("document.activeElement.matches('#popup button')")
    assert tab.run(shown)
    assert tab.said() == []
    tab.close()


@pytest.mark.parametrize(("validated", "drawn"), [((None,), 0), ((None, None), 1), ((2.5,), 0)])
def test_a_curve_of_few_points_is_described(
    chromium: Browser, tmp_path: Path, validated: tuple[float | None, ...], drawn: int
) -> None:
    history = [
        {"step": k, "epoch": 1.0, "train": 3.0 / k, "val": val}
        for k, val in enumerate(validated, start=1)
    ]
    model = drawn_model(tmp_path / "m.npz", known=KNOWN, header={"history": history})
    write_page(model, tmp_path / "p.html")
    tab = opened(chromium, tmp_path / "p.html")
    tab.click("#tab-about")
    about = tab.run("document.getElementById('about').innerText")
    assert "How it learnt" in about
    assert f"Last in training\n{3 / len(validated):.3f} nats" in about
    assert ("This model\n2.500 nats" in about) == (validated[0] is not None)
    assert tab.run("document.querySelectorAll('.curve').length") == drawn
    tab.until(f"document.querySelectorAll('svg').length === {drawn}")
    assert tab.said() == []
    tab.close()


def test_a_character_is_picked(chromium: Browser, tmp_path: Path) -> None:
    """With the mouse and with the keyboard; a line end is one of them."""
    write_page(drawn_model(tmp_path / "m.npz", known=KNOWN, cell="gru"), tmp_path / "p.html")
    tab = opened(chromium, tmp_path / "p.html")
    tab.click("#tab-learn")
    put(tab, "learn-text", "ab\ncd")
    step = "document.getElementById('reading').textContent === 'Step {}: ab↵cd'"
    mark = "document.querySelector('#reading mark').textContent === '{}'"
    tab.until(step.format(5))
    tab.click("#reading :nth-child(2)")
    tab.until(step.format(2) + " && " + mark.format("b"))
    tab.run("document.getElementById('reading').focus()")
    for key, place, name in [
        ("ArrowRight", 3, "↵"),
        ("End", 5, "d"),
        ("ArrowRight", 5, "d"),
        ("ArrowLeft", 4, "c"),
        ("Home", 1, "a"),
    ]:
        tab.press(key)
        tab.until(step.format(place) + " && " + mark.format(name))
    assert tab.run("document.activeElement.id") == "reading"
    tab.until("document.querySelector('#step .line')")
    assert tab.said() == []
    tab.close()


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_nothing_moves_while_it_writes(chromium: Browser, page: Path, width: int) -> None:
    """Nothing is wider than the window either."""
    tab = opened(chromium, page, width=width)
    tab.run(
        "window.moved = 0; new PerformanceObserver((list) => { for (const one of list.getEntries())"
        " window.moved += one.value; }).observe({type: 'layout-shift'})"
    )
    put(tab, "length", "3000")
    height = tab.run("document.documentElement.scrollHeight")
    write(tab)
    write(tab, "#go-on")
    assert tab.run("document.documentElement.scrollHeight") == height
    assert tab.run("new Promise((done) => setTimeout(() => done(window.moved), 100))") == 0
    put(tab, "seed", "9" * 60)
    put(tab, "length", "10")
    write(tab)
    assert tab.run("document.documentElement.scrollHeight") == height
    for part in ("write", "look", "about"):
        tab.click(f"#tab-{part}")
        root = "document.documentElement"
        assert tab.run(f"{root}.scrollWidth <= {root}.clientWidth"), part
    tab.close()


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_is_accessible(chromium: Browser, model: Model, dark: bool) -> None:
    """By axe-core's rules."""
    page = model.path.with_name("learn.html")
    write_named_page(model, page)
    tab = opened(chromium, page, dark=dark)

    def check(state: str) -> None:
        assert axe_violations(tab) == [], state

    tab.run("document.querySelector('details').open = true")
    check("write")
    tab.run(f"{WRITTEN}.focus()")
    tab.press("End")
    tab.until("!document.getElementById('popup').hidden")
    check("popup")
    tab.click("#tab-look")
    tab.click("#take-written")
    tab.until(LOOKED)
    check("look")
    put(tab, "colour", "unit")
    tab.until("document.querySelectorAll('#looked .below').length > 0")
    check("unit")
    tab.click("#tab-learn")
    tab.until("document.querySelector('#step .line')")
    check("learn")
    tab.click("#tab-about")
    tab.until("document.querySelector('svg')")
    check("about")
    tab.close()


def test_the_page_in_the_documents_works(chromium: Browser) -> None:
    tab = opened(chromium, ROOT / "docs" / "model.html")
    assert len(tab.run(f"{WRITTEN}.textContent")) == 500
    assert tab.said() == []
    tab.close()
