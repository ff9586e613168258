"""The learning curve: untrusted files, drawn at a terminal, written as a picture."""

import json
import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from support import TINY, begin, charrnn, corpus_of, run_until

from charrnn.checkpoint import read_checkpoint, write_checkpoint
from charrnn.cli.curve import draw_curve, panels
from charrnn.cli.picture import write_picture
from charrnn.cli.plot import Marks, draw
from charrnn.errors import InputError, RunError
from charrnn.runs.history import LearningCurve, read_curve
from charrnn.tasks.config import Config

CURVE = LearningCurve(
    "nats/char",
    "nats/char",
    train=((10, 3.0), (20, 2.0), (30, 1.5)),
    logged=((5, 9.0), (10, 2.5), (15, 2.25), (20, 2.0), (25, 1.8), (30, 1.0)),
    val=((10, 2.8), (20, 2.2), (30, 2.4)),
    best=(20, 2.2),
    steps=30,
    epochs=3.0,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """51 steps, validated every 10; logged every 10 and at the end."""
    place = tmp_path_factory.mktemp("curve")
    run_until(begin(place / "run", corpus_of(place)))
    return place


def curve_of(folder: Path, name: str = "run") -> LearningCurve:
    """The curve of a run whose header has no history, so that the other files are read."""
    return read_curve(folder / name, {}, Config())


# Drawing


def picture(*series: Marks, **options: Any) -> list[str]:
    plain: dict[str, Any] = {"x": (0, 8), "y": (0, 4), "title": "up", "axis": "along"}
    return list(draw(series, **plain | {"columns": 8, "rows": 4, "form": ".0f"} | options))


def test_points_are_drawn_in_their_places() -> None:
    rows = picture(Marks("o", [(0, 4), (4, 2), (8, 0)]), Marks("x", [(4, 2), (5, 2)]))
    assert rows == [
        "up",
        "     4 |o",
        "       |",
        "       |    ox",
        "       |",
        "     0 |        o",
        "       +---------",
        "        0   4   8  along",
    ]


def test_points_outside_are_left_out_and_numbers_make_room() -> None:
    outside = Marks("o", [(-1, 2), (9, 2), (4, 5), (4, -1)])
    assert not any("o" in line for line in picture(outside)[1:-1])
    wide = picture(Marks("o", [(0, 4e9)]), y=(0, 4e9), form=".1f")
    assert wide[1] == "4000000000.0 |o"
    assert {line.index("|") for line in wide if "|" in line} == {13}


# Reading


def test_the_curve_is_what_the_run_wrote(folder: Path) -> None:
    curve = curve_of(folder)
    history = read_checkpoint(folder / "run" / "last.npz")[0]["history"]
    assert [step for step, _ in curve.val] == [10, 20, 30, 40, 50, 51]
    assert list(curve.val) == [(e["step"], e["val"]) for e in history]
    assert list(curve.train) == [(e["step"], e["train"]) for e in history]
    assert curve.best == min(curve.val, key=lambda point: point[1])
    assert (curve.steps, curve.epochs) == (51, 3.0)
    lines = (folder / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    logged = [json.loads(line) for line in lines]
    assert list(curve.logged) == [(e["step"], e["nats"]) for e in logged if e["event"] == "train"]
    assert len(curve.logged) == 6


def test_the_best_model_knows_less_than_its_run(folder: Path, tmp_path: Path) -> None:
    """``best.npz`` only knows the time before it; the curve is that of the whole run."""
    header, arrays = read_checkpoint(folder / "run" / "last.npz")
    (tmp_path / "run").mkdir()
    write_checkpoint(tmp_path / "run" / "last.npz", header, arrays)
    early = {**header, "history": header["history"][:2]}
    write_checkpoint(tmp_path / "run" / "best.npz", early, arrays)
    assert read_curve(tmp_path / "run", early, Config()).steps == 51
    assert read_curve(tmp_path / "run" / "best.npz", early, Config()).steps == 20
    (tmp_path / "run" / "last.npz").write_bytes(b"damaged")
    assert read_curve(tmp_path / "run", early, Config()).steps == 20


@pytest.mark.parametrize("step", [25, 60])
def test_the_best_model_may_be_from_before_a_rollback(
    folder: Path, tmp_path: Path, step: int
) -> None:
    """A training that diverged forgets the validation; ``best.npz`` and the note of it stay."""
    header, arrays = read_checkpoint(folder / "run" / "last.npz")
    best = {"step": step, "epoch": 1.0, "train": 1.0, "val": 0.5}
    (tmp_path / "run").mkdir()
    for name, history in (("best", [*header["history"][:2], best]), ("last", header["history"])):
        noted = {**header, "history": history, "best": best}
        write_checkpoint(tmp_path / "run" / f"{name}.npz", noted, arrays)
    assert curve_of(tmp_path).best == (step, 0.5)
    for argument in ("run", "run/last.npz"):
        shown = " ".join(charrnn("inspect", argument, cwd=tmp_path).stdout.decode().split())
        assert f"best 0.5000 nats/char, validated at step {step}" in shown
        assert f"* best: 0.5000 at step {step}" in shown
        assert shown.count("*") == 2  # it is drawn, too


def test_a_log_is_not_trusted(folder: Path, tmp_path: Path) -> None:
    header, arrays = read_checkpoint(folder / "run" / "last.npz")
    (tmp_path / "run").mkdir()
    write_checkpoint(tmp_path / "run" / "last.npz", header, arrays)
    log = tmp_path / "run" / "metrics.jsonl"
    good = [{"step": step, "event": "train", "nats": 1.0 + step} for step in (10, 20, 30)]
    bad = [
        b"\xff\xfe\x00",
        b"",
        b"null",
        b"[" * 5000,
        b"9" * 5000,
        b'{"step": 11, "event": "train", "nats": ',
        b'{"step": 12, "event": "validation", "nats": 1}',
        b'{"step": 13, "event": "train"}',
        b'{"step": 14, "event": "train", "nats": NaN}',
        b'{"step": 15, "event": "train", "nats": Infinity}',
        b'{"step": 16, "event": "train", "nats": true}',
        b'{"step": 17, "event": "train", "nats": 1e300}',
        b'{"step": 17, "event": "train", "nats": 1' + b"0" * 400 + b"}",
        b'{"step": 18.5, "event": "train", "nats": 1}',
        b'{"step": -1, "event": "train", "nats": 1}',
        b'{"step": 5, "event": "train", "nats": 1}',  # steps ascend
        b'{"step": 52, "event": "train", "nats": 1}',  # later than the run is
        b'{"step": 19, "event": "train", "nats": 1, "more": "' + b"x" * 20_000 + b'"}',
    ]
    lines = [json.dumps(good[0]).encode(), *bad, *(json.dumps(one).encode() for one in good[1:])]
    log.write_bytes(b"\n".join(lines) + b"\n" + json.dumps(good[2]).encode()[:-5])
    assert list(curve_of(tmp_path).logged) == [(10, 11.0), (20, 21.0), (30, 31.0)]
    log.unlink()
    assert list(curve_of(tmp_path).logged) == []
    log.mkdir()
    assert list(curve_of(tmp_path).logged) == []


@pytest.mark.parametrize(
    "history",
    [
        None,
        "x",
        [3, {}, {"step": "a", "val": 1}, {"step": 1.5, "val": 1}, {"step": True, "val": 1}],
        [{"step": 10**400, "val": 1, "epoch": 1}],
        [{"step": 1, "val": 10**400, "train": float("inf"), "epoch": "x"}],
    ],
)
def test_a_history_is_not_trusted(history: Any) -> None:
    curve = read_curve(Path("x.npz"), {"history": history}, Config())
    assert (curve.train, curve.val, curve.best, curve.epochs) == ([], [], None, 0.0)
    assert list(draw_curve(curve)) == ["No learning curve: the checkpoint has no history."]


def test_steps_ascend() -> None:
    entries = [{"step": step, "val": 1.0, "train": 2.0, "epoch": 1.0} for step in (3, 2, 3, 5)]
    assert [step for step, _ in read_curve(Path("x"), {"history": entries}, Config()).val] == [3, 5]


# The picture at a terminal


def marks(rows: list[str], mark: str) -> list[tuple[int, int]]:
    """The row and column of each mark."""
    return [
        (number, column)
        for number, line in enumerate(rows)
        if "|" in line
        for column, found in enumerate(line.partition("|")[2])
        if found == mark
    ]


def test_the_curve_is_drawn() -> None:
    rows = list(draw_curve(CURVE))
    assert rows[0] == "loss, nats/char (the first training losses are higher)"
    assert rows[-1] == "* best: 2.2000 at step 20   o validation   . training"
    assert " 3.000 |" in rows[1]
    assert " 1.000 |" in rows[17]
    assert [column for _, column in marks(rows, "*")] == [40]
    assert [column for _, column in sorted(marks(rows, "o"), key=lambda p: p[1])] == [20, 60]
    assert sorted(column for _, column in marks(rows, ".")) == [20, 30, 40, 50, 60]
    (best, _), *_ = marks(rows, "*")
    assert all(best > row for row, column in marks(rows, "o"))  # lower down is better
    assert rows[18].strip().startswith("+")
    assert rows[19].split() == ["0", "15", "30", "steps"]


def test_noise_is_averaged_by_columns() -> None:
    noisy = [(step, 1.0 + (step % 2)) for step in range(1, 6001)]
    curve = CURVE._replace(logged=noisy, steps=6000)
    points = marks(list(draw_curve(curve)), ".")
    assert sorted(column for _, column in points) == list(range(61))
    assert len({row for row, _ in points}) == 1


def test_a_curve_without_log_or_validation() -> None:
    rows = list(draw_curve(CURVE._replace(logged=(), val=(), best=None)))
    assert [column for _, column in sorted(marks(rows, "."), key=lambda p: p[1])] == [20, 40, 60]
    assert "no validation set" in rows[-1]
    assert rows[0] == "loss, nats/char"


def test_one_point_is_not_a_curve() -> None:
    one = CURVE._replace(train=CURVE.train[:1], val=CURVE.val[:1])
    assert list(draw_curve(one)) == ["No learning curve: it takes two validations."]
    constant = CURVE._replace(train=((1, 2.0), (30, 2.0)), logged=(), val=(), best=None)
    assert len(marks(list(draw_curve(constant)), ".")) == 2


def test_other_measures_have_a_picture_of_their_own() -> None:
    first, second = panels(CURVE._replace(measure="1 - accuracy"))
    assert (first.val, second.train) == ((), ())
    rows = list(draw_curve(CURVE._replace(measure="1 - accuracy")))
    assert [row for row in rows if row.startswith("validation: 1 - accuracy")]
    assert len([row for row in rows if row.strip().startswith("+")]) == 2


def test_the_picture_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    for width in (20, 50, 80, 100, 300):
        size = os.terminal_size((width, 24))
        monkeypatch.setattr("shutil.get_terminal_size", lambda _=None, size=size: size)
        rows = [row for row in draw_curve(CURVE) if "|" in row or "steps" in row]
        assert max(map(len, rows)) <= max(width, 46)
        assert max(column for _, column in marks(rows, "o")) == max(20, min(120, width - 22))


def test_inspect_draws_the_curve(folder: Path) -> None:
    done = charrnn("inspect", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    rows = done.stdout.decode().partition("\n\n")[2].splitlines()
    assert "".join(rows).isascii()
    assert len(marks(rows, "*")) == 1
    assert len(marks(rows, "o")) >= 4
    facts = json.loads(charrnn("inspect", "run", "--json", cwd=folder).stdout)
    curve = curve_of(folder)
    assert facts["history"]["val"] == [list(point) for point in curve.val]
    assert facts["history"]["train"] == [list(point) for point in curve.train]


def test_a_run_of_one_validation_has_no_curve(tmp_path: Path) -> None:
    corpus_of(tmp_path)
    flags = [*TINY, "--epochs", "0.01", "--out", "run", "--quiet", "--threads", "1"]
    assert charrnn("train", "corpus.txt", *flags, cwd=tmp_path).returncode == 0
    done = charrnn("inspect", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "it takes two validations" in done.stdout.decode()
    refused = charrnn("inspect", "run", "--plot", "x.svg", cwd=tmp_path)
    assert refused.returncode == 2
    assert not (tmp_path / "x.svg").exists()


# The picture as a file


def test_without_matplotlib_the_install_line_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match="needs matplotlib") as error:
        write_picture(str(tmp_path / "x.png"), CURVE, "run")
    assert error.value.hint == "python -m pip install matplotlib"
    assert error.value.exit_code == 2


@pytest.mark.parametrize("name", ["x.gif", "x", "png", ".svg/x", ""])
def test_other_kinds_of_files_are_refused(folder: Path, name: str) -> None:
    done = charrnn("inspect", "run", "--plot", name, cwd=folder)
    assert done.returncode == 2
    assert ".png, .svg or .pdf" in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 2
    assert not done.stdout


class Axes:
    """Accepts any drawing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)  # NumPy asks what it is
        return lambda *args, **options: None


class Half:
    """A figure whose file is cut short by a full disk."""

    def __init__(self, **options: Any) -> None:
        pass

    def subplots(self, rows: int, squeeze: bool) -> Any:
        import numpy as np

        return np.array([[Axes()]] * rows)

    def suptitle(self, *args: Any, **options: Any) -> None:
        pass

    def savefig(self, path: Path, **options: Any) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")


def test_a_picture_is_whole_or_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import nullcontext

    package: Any = types.ModuleType("matplotlib")
    package.rc_context = lambda settings: nullcontext()
    figure: Any = types.ModuleType("matplotlib.figure")
    figure.Figure = Half
    monkeypatch.setitem(sys.modules, "matplotlib", package)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", figure)
    (tmp_path / "x.png").write_bytes(b"before")
    with pytest.raises(RunError, match="No space left"):
        write_picture(str(tmp_path / "x.png"), CURVE, "run")
    assert (tmp_path / "x.png").read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


@pytest.mark.parametrize(
    ("name", "start"), [("x.png", b"\x89PNG"), ("x.SVG", b"<?xml"), ("x.pdf", b"%PDF")]
)
@pytest.mark.filterwarnings("default")
def test_plot_writes_png_svg_and_pdf(
    tmp_path: Path, name: str, start: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.delenv("DISPLAY", raising=False)
    for curve in (
        CURVE,
        CURVE._replace(measure="1 - accuracy"),
        CURVE._replace(logged=(), val=()),
    ):
        write_picture(str(tmp_path / name), curve, "run")
        first = (tmp_path / name).read_bytes()
        assert first.startswith(start)
        write_picture(str(tmp_path / name), curve, "run")
        assert (tmp_path / name).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert "matplotlib.pyplot" not in sys.modules
