"""The page in Firefox: it writes what Python writes, scores texts and explains steps."""

from pathlib import Path

from firefox import firefox, needs_firefox
from page_models import drawn_model

from charrnn.page.example import write_example
from charrnn.page.export import write_page

pytestmark = needs_firefox

STATUS = "document.getElementById('write-status').textContent"


def test_a_page_works(tmp_path: Path) -> None:
    model = drawn_model(tmp_path / "m.npz", known="\n abcdefghij", cell="lstm", layers=2)
    page = tmp_path / "p.html"
    write_page(model, page, precision="float32", note="a note")
    write_example(tmp_path / "e.html")
    (tmp_path / "profile").mkdir()
    with firefox(tmp_path / "profile") as window:
        window.open(page)
        window.until(f"{STATUS}.startsWith('Wrote 500')")
        window.run(
            "((() => { const put = (id, value) => (document.getElementById(id).value = value);"
            " put('seed', '7'); put('length', '200'); put('prompt', 'abc');"
            " document.getElementById('begin').click(); })())"
        )
        window.until(f"{STATUS}.startsWith('Wrote 200')")
        written = window.run("document.getElementById('written').textContent")
        assert written == model.sample("abc", length=200, temperature=0.8, seed=7)
        window.run("document.getElementById('tab-look').click()")
        window.run("document.getElementById('take-written').click()")
        look = "document.getElementById('look-status').textContent"
        window.until(f"{look}.includes('nats')")
        assert f"{model.score(written).total:,.1f} nats" in window.run(look)
        window.run("document.getElementById('tab-learn').click()")
        window.until("document.querySelector('#step .line')")
        window.run("document.getElementById('tab-about').click()")
        assert "a note" in window.run("document.getElementById('about').innerText")
        window.open(tmp_path / "e.html")
        window.until("document.getElementById('outputs').textContent.includes('y')")
