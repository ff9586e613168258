"""The pictures of the README: well formed, legible, and up to date."""

import json
import re
import sys
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from picture_modules import curve, make, shots, terminal
from support import ROOT, TEXT, environment

PICTURES = ROOT / "docs/pictures"
SHOTS = [f"docs/{name}.svg" for name in shots.__all__]
SVG = "{http://www.w3.org/2000/svg}"
every_picture = pytest.mark.parametrize(
    "name", ["docs/pictures/curve.svg", "docs/pictures/terminal.svg", *SHOTS]
)


def parsed(picture: str) -> ET.Element:
    return ET.fromstring(picture)  # noqa: S314, it is ours


def text_of(picture: str) -> list[str]:
    """The lines in a picture of a terminal, each once, whatever pieces they are drawn in."""
    lines: dict[float, str] = {}
    for piece in parsed(picture).iter(f"{SVG}text"):
        if (clip := piece.get("clip-path", "")).startswith("url(#terminal-line-"):
            number = float(clip.removeprefix("url(#terminal-line-").removesuffix(")"))
            lines[number] = lines.get(number, "") + (piece.text or "")
    return [line.replace("\xa0", " ").rstrip() for _, line in sorted(lines.items())]


@every_picture
def test_a_picture_is_small_and_loads_nothing(name: str) -> None:
    picture = (ROOT / name).read_text(encoding="utf-8")
    assert len(picture.encode()) < 60_000
    root = parsed(picture)
    assert root.tag == f"{SVG}svg"
    assert not {piece.tag for piece in root.iter()} & {f"{SVG}script", f"{SVG}image", f"{SVG}use"}
    links = re.findall(r"(?:url\(|href=|src=|@import)\s*[\"']?([^\"')\s]+)", picture)
    assert [link for link in links if not link.startswith("#")] == []


@pytest.mark.parametrize("name", shots.__all__)
def test_a_picture_is_up_to_date(name: str) -> None:
    """Its text is what the code that draws it gives now."""
    then = text_of((ROOT / f"docs/{name}.svg").read_text(encoding="utf-8"))
    assert len(then) >= 8
    assert text_of(getattr(shots, name)()) == then


@pytest.mark.parametrize("theme", [0, 1])
def test_the_curve_is_legible_on_light_and_dark(theme: int) -> None:
    """Each colour of a line or a name has a contrast of 4.5 with the background of its theme."""
    styles = curve.STYLE.split("@media (prefers-color-scheme: dark)")
    (back,) = re.findall(r"background: (#\w{6})", styles[theme])
    colours = set(re.findall(r"(?:fill|stroke): (#\w{6})", styles[theme]))
    colours -= set(re.findall(r"\.grid \{ stroke: (#\w{6})", styles[theme]))
    assert len(colours) == 4
    assert {colour for colour in colours if contrast(colour, back) < 4.5} == set()


def test_the_terminal_is_legible_wherever_it_is() -> None:
    """It brings its own background."""
    picture = (PICTURES / "terminal.svg").read_text(encoding="utf-8")
    (back,) = re.findall(r'<rect fill="(#\w{6})" stroke=', picture)
    colours = set(re.findall(r"\.terminal-r\d+ \{ fill: (#\w{6})", picture))
    assert {colour for colour in colours if contrast(colour, back) < 4.5} == set()


def contrast(one: str, other: str) -> float:
    """By the Web Content Accessibility Guidelines, 1 to 21."""

    def light(colour: str) -> float:
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_curve_is_that_of_the_log_that_is_kept() -> None:
    lines = (PICTURES / "curve.jsonl").read_text(encoding="utf-8").splitlines()
    log = [json.loads(line) for line in lines]
    assert curve.draw(log) == (PICTURES / "curve.svg").read_text(encoding="utf-8")
    losses = [line["nats"] for line in log if line["event"] == "validation"]
    assert all(after < before for before, after in pairwise(losses))
    (simple,) = (line["figures"] for line in log if line["event"] == "compared")
    assert losses[-1] < simple[curve.SIMPLE] < losses[0]


def test_a_log_is_thinned_to_means() -> None:
    steps = [{"event": "train", "step": k, "seconds": float(k), "nats": 3.0 - k / 9, "lr": 1.0}
             for k in range(9)]  # fmt: skip
    found = list(curve.thinned([*steps, {"event": "repaced", "seconds": 1.0, "total": 9}]))
    assert found == [
        {"event": "train", "seconds": 3.5, "nats": round(3 - 3.5 / 9, 4)},
        {"event": "train", "seconds": 8.0, "nats": round(3 - 8 / 9, 4)},
    ]


def test_the_last_state_of_a_redrawn_line_is_shown() -> None:
    written = "a\r\nstep 1/2: x\r\n 50%|## \r\r 100%|####\r   \r\nb \r\n"
    assert terminal.shown(written) == ["a", terminal.CUT, " 100%|####", "b"]
    assert terminal.shown("a\r\nb\r\n") == ["a", "b"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_the_terminal_shows_what_the_commands_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same commands on a short text print each kind of line in the picture."""
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    (tmp_path / "shakespeare.txt").write_text("ROMEO:\n" + TEXT * 20, encoding="utf-8")
    train, sample = make.COMMANDS
    small = f"{train} --hidden 16 --eval-every 10"
    screens = [terminal.shown(terminal.run(line, tmp_path)) for line in (small, sample)]
    now = text_of(terminal.draw(make.COMMANDS, screens))
    then = text_of((PICTURES / "terminal.svg").read_text(encoding="utf-8"))
    told = then[: then.index("ROMEO:")]
    assert told[0] == f"$ {train}"
    assert len(beginnings(told)) > 9
    assert beginnings(told) - beginnings(now) == set()


def beginnings(lines: list[str]) -> set[str]:
    """The beginnings of lines: before colons, prompts with their commands, the bar, the runs."""
    known = r"([a-z][\w ]*):|(\$ .*)|(100%\|)|checkpoints/[^ ]*(.*)"
    found = [re.match(known, line.strip()) for line in lines]
    return {next(filter(None, match.groups())) for match in found if match}
