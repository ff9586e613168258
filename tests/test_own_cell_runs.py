"""Your own cell in runs: the commands of its document, and what a checkpoint must not do."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from support import ROOT, TEXT, TINY, charrnn

import charrnn as library
from charrnn.checkpoint import read_checkpoint, write_checkpoint
from charrnn.errors import InputError
from charrnn.training.loop import Step

DOCUMENT = (ROOT / "docs" / "your-own-cell.md").read_text(encoding="utf-8")
MGU, PEEPHOLE, *_ = re.findall(r"```python\n(.*?)```", DOCUMENT, flags=re.DOTALL)
COMMANDS = "".join(re.findall(r"```sh\n(.*?)```", DOCUMENT, flags=re.DOTALL)).splitlines()
CELL = "my_cell.py:MinimalGatedUnit"
SMALL = {"hidden": 8, "seq_len": 8, "batch_size": 4, "epochs": 2.0, "threads": 1}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    Path(tmp_path / "my_cell.py").write_text(MGU, encoding="utf-8")
    Path(tmp_path / "peephole.py").write_text(PEEPHOLE, encoding="utf-8")
    Path(tmp_path / "corpus.txt").write_text(TEXT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_of_the_document_run_as_written(folder: Path) -> None:
    small = (*TINY, "--epochs", "1", "-q")
    assert len(COMMANDS) == 7
    for line in COMMANDS:
        words = shlex.split(line)[1:]
        if words[0] == "train" and "--resume" not in words:
            words += small
        done = charrnn(*words, cwd=folder)
        assert done.returncode == 0, (line, done.stderr)


def test_a_run_with_your_own_cell_resumes_exactly() -> None:
    library.train("corpus.txt", cell=CELL, out="whole", **SMALL).finish()  # type: ignore[arg-type]
    run = library.train("corpus.txt", cell=CELL, out="parts", **SMALL)  # type: ignore[arg-type]
    for event in run:
        if isinstance(event, Step) and event.number == 13:
            run.stop()
    library.resume("parts", cell=CELL).finish()
    one, other = (library.load(f"{name}/last.npz", cell=CELL) for name in ("whole", "parts"))
    np.testing.assert_array_equal(one.parameters.flat, other.parameters.flat)
    assert one.sample(seed=1, length=30) == other.sample(seed=1, length=30)


def test_several_processes_compute_the_same_with_your_own_cell() -> None:
    many = {**SMALL, "batch_size": 24, "cell": CELL}
    library.train("corpus.txt", out="one", **many).finish()  # type: ignore[arg-type]
    run = library.train("corpus.txt", out="two", **{**many, "threads": 2})  # type: ignore[arg-type]
    run.finish()
    assert not run.task.engine.lost
    one, other = (library.load(f"{name}/last.npz", cell=CELL) for name in ("one", "two"))
    np.testing.assert_array_equal(one.parameters.flat, other.parameters.flat)


def test_a_checkpoint_names_its_cell_and_loads_nothing(folder: Path) -> None:
    """Each command asks for the file, and runs none of it until then."""
    library.train("corpus.txt", cell=CELL, out="run", **SMALL).finish()  # type: ignore[arg-type]
    Path("my_cell.py").write_text("raise SystemExit('it ran')\n", encoding="utf-8")
    asked = f"--cell {CELL}"
    for command in (
        ["sample", "run"],
        ["eval", "run"],
        ["inspect", "run"],
        ["inspect", "--gradient-flow", "run"],
        ["train", "--resume", "run"],
        ["train", "corpus.txt", "--init-from", "run"],
        ["gradcheck", "run"],
    ):
        done = charrnn(*command, cwd=folder)
        assert done.returncode == 2, (command, done.stderr)
        assert b"its author's own cell, which charrnn loads only if you name it" in done.stderr
        assert asked.encode() in done.stderr
    with pytest.raises(InputError, match="which charrnn loads only if you name it"):
        library.load("run")


def test_a_trained_model_is_checked_at_its_own_weights(folder: Path) -> None:
    library.train("corpus.txt", cell=CELL, out="run", **SMALL).finish()  # type: ignore[arg-type]
    done = charrnn("gradcheck", "run", "--cell", CELL, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert b"comparisons passed" in done.stderr


def test_a_run_resumes_only_with_the_same_source(folder: Path) -> None:
    library.train("corpus.txt", cell=CELL, out="run", **SMALL).finish()  # type: ignore[arg-type]
    Path("my_cell.py").write_text(MGU + "\n# changed\n", encoding="utf-8")
    done = charrnn("train", "--resume", "run", "--cell", CELL, cwd=folder)
    assert done.returncode == 2
    assert b"has changed since this run began" in done.stderr
    assert b"--init-from" in done.stderr
    assert charrnn("sample", "run", "--cell", CELL, "-l", "5", cwd=folder).returncode == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("peephole.py:PeepholeLSTM", "has the cell MinimalGatedUnit"),
        ("my_cell.py:MinimalGatedUnit,bias=false", "has the cell MinimalGatedUnit"),
        ("gru", "has the cell MinimalGatedUnit"),
        ("nowhere.py:MinimalGatedUnit", "nowhere.py: No such file"),
    ],
)
def test_another_cell_is_refused(given: str, message: str) -> None:
    library.train("corpus.txt", cell=CELL, out="run", **SMALL).finish()  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        library.load("run", cell=given)


def test_a_built_in_cell_needs_no_file() -> None:
    with pytest.raises(InputError, match="has the built-in cell gru"):
        library.load(None, cell=CELL)


def test_a_header_cannot_name_a_file_that_runs() -> None:
    """Whatever the header says, only the file and class that the user names are loaded."""
    library.train("corpus.txt", cell=CELL, out="run", **SMALL).finish()  # type: ignore[arg-type]
    header, arrays = read_checkpoint(Path("run/best.npz"))
    Path("evil.py").write_text("raise SystemExit('it ran')\n", encoding="utf-8")
    header["config"]["cell"] = "evil.py:MinimalGatedUnit"
    write_checkpoint(Path("forged.npz"), header, arrays)
    with pytest.raises(InputError, match="if you name it"):
        library.load("forged.npz")
    assert library.load("forged.npz", cell=CELL).config.hidden == 8


@pytest.mark.slow
def test_a_minimal_gated_unit_learns_to_write_plays(corpora: Path) -> None:
    """Written from its paper in at most 30 lines; two epochs of all plays."""
    assert len([line for line in MGU.splitlines() if line.strip()]) <= 30
    text = corpora / "tinyshakespeare" / "input.txt"
    run = library.train(text, cell=CELL, epochs=2, out="run")
    model = run.finish()
    assert run.best is not None
    assert run.best.val is not None
    assert run.best.val < 1.9
    assert len(model.sample("ROMEO:", length=200, seed=1)) == 206


@pytest.mark.parametrize(
    "name",
    ["$(touch PWNED).py:X;`id`", "a\nerror: disk full\nhint: nothing.py:Y", "x" * 4000 + ".py:Z"],
)
def test_a_header_does_not_choose_what_is_pasted_or_printed(name: str, folder: Path) -> None:
    library.train("corpus.txt", cell=CELL, out="run", **SMALL).finish()  # type: ignore[arg-type]
    header, arrays = read_checkpoint(Path("run/best.npz"))
    header["config"]["cell"] = name
    write_checkpoint(Path("forged.npz"), header, arrays)
    done = charrnn("sample", "forged.npz", cwd=folder)
    lines = done.stderr.decode().splitlines()
    assert len(lines) <= 2
    assert max(map(len, lines)) < 200
    if "$" in name:
        assert "--cell '$(touch PWNED).py:X;`id`'" in lines[1]
    else:
        assert "names no cell" in lines[0]


@pytest.mark.parametrize("hidden", [-8, 0, "8", [8], 10**9, True])
def test_a_damaged_number_of_units_is_a_damaged_checkpoint(hidden: object) -> None:
    library.train("corpus.txt", cell=CELL, out="run", **SMALL).finish()  # type: ignore[arg-type]
    header, arrays = read_checkpoint(Path("run/best.npz"))
    header["config"]["hidden"] = hidden
    write_checkpoint(Path("forged.npz"), header, arrays)
    with pytest.raises(library.CheckpointError, match="does not hold a model"):
        library.load("forged.npz", cell=CELL)


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("raise SystemExit(3)", "SystemExit: 3", ""),
        ("self.last = h_prev", "FrozenInstanceError", "a cell keeps nothing: return from step"),
    ],
)
def test_a_forbidden_operation_is_reported_with_its_line(
    line: str, message: str, hint: str
) -> None:
    spoilt = MGU.replace("        a_f, a_n = a\n", f"        {line}\n        a_f, a_n = a\n", 1)
    Path("my_cell.py").write_text(spoilt, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        library.train("corpus.txt", cell=CELL, out="run", **SMALL).finish()  # type: ignore[arg-type]
    assert re.match(r"my_cell\.py:\d+: ", str(caught.value))
    assert line in str(caught.value)
    assert message in str(caught.value)
    assert caught.value.hint.startswith(hint)
