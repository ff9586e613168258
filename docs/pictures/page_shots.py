"""Make the pictures of docs/page.md: docs/model.html in a browser.

    python docs/pictures/page_shots.py

Needs Chromium, and Pillow to make the files small (python -m pip install pillow).
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

DOCS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(DOCS.parent / "tests"))

from browser import Tab, browser  # noqa: E402 - found by the line above

__all__ = ["main"]

SEED, CHARACTER = 1, 60
"""What is written, and the character whose alternatives are shown."""

WROTE = "document.getElementById('write-status').textContent.startsWith('Wrote')"
LOOKED = "/nats/.test(document.getElementById('look-status').textContent)"


def main() -> None:
    """Write, look and learn in the page, a picture of each."""
    with TemporaryDirectory() as folder, browser(Path(folder)) as running:
        tab = Tab(running, DOCS / "model.html")
        tab.run(f"document.getElementById('seed').value = '{SEED}'")
        tab.click("#begin")
        tab.until(WROTE)
        tab.run("window.scrollTo(0, 0)")
        tab.hover(f"#written span:nth-child({CHARACTER})")
        tab.until("!document.getElementById('popup').hidden")
        save(tab, "write")
        tab.click("#tab-look")
        tab.click("#take-written")
        tab.until(LOOKED)
        tab.run("window.scrollTo(0, 0)")
        save(tab, "look")
        tab.click("#tab-learn")
        tab.until("document.querySelector('#step .line')")
        tab.run("window.scrollTo(0, 0)")
        save(tab, "learn")


def save(tab: Tab, name: str) -> None:
    """What is seen, in 64 colours."""
    with TemporaryDirectory() as folder:
        shot = Path(folder, "shot.png")
        tab.screenshot(shot)
        Image.open(shot).convert("RGB").quantize(64).save(DOCS / f"page-{name}.png", optimize=True)


if __name__ == "__main__":
    main()
