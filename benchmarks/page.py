"""How fast do pages write in headless Chromium, how soon, and how large are they?

    python benchmarks/page.py

The weights are random, which does not affect the results.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from browser import Tab, browser
from page_models import drawn_model

from charrnn.page.export import write_page

KNOWN = "".join(map(chr, range(32, 127))) + "\n"
SIZES: dict[str, dict[str, Any]] = {
    "1 × 256 lstm": {"cell": "lstm", "hidden": 256},
    "1 × 256 gru": {"cell": "gru", "hidden": 256},
    "2 × 512 gru": {"cell": "gru", "hidden": 512, "layers": 2},
    "2 × 512 lstm": {"cell": "lstm", "hidden": 512, "layers": 2},
}
WRITTEN = "document.getElementById('written')"
STATUS = "document.getElementById('write-status').textContent"
FIRST = """new Promise((done) => {
  const look = () => document.querySelector('#written span') ? done(performance.now())
    : requestAnimationFrame(look);
  look();
})"""


def main() -> None:
    """Print a line for each network."""
    with TemporaryDirectory() as folder, browser(Path(folder) / "profile") as chromium:
        for name, settings in SIZES.items():
            page = Path(folder) / "page.html"
            write_page(drawn_model(page.with_suffix(".npz"), known=KNOWN, **settings), page)
            soon, fast = [], []
            for _ in range(3):
                tab = Tab(chromium, page)
                soon.append(tab.run(FIRST))
                tab.until(f"{STATUS}.startsWith('Wrote')")
                tab.run("document.getElementById('length').value = 1500")
                begun = tab.run("(document.getElementById('begin').click(), performance.now())")
                tab.until(f"{WRITTEN}.childElementCount >= 1500")
                fast.append(1500 / (tab.run("performance.now()") - begun) * 1000)
                tab.close()
            size = f"{page.stat().st_size / 1e6:.2f} MB"
            print(f"{name}: {size}, first after {min(soon):.0f} ms, {max(fast):,.0f} a second")


if __name__ == "__main__":
    main()
