"""Models as files for other programs: their contents, refusals, and the command."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported_models import (
    KNOWN,
    SPECS,
    checkpoint_of,
    close,
    drawn,
    needs_onnx,
    needs_safetensors,
    needs_torch,
)
from support import ROOT, TEXT, TINY, charrnn

import charrnn as library
from charrnn.errors import CheckpointError, InputError
from charrnn.exporting import onnx_file
from charrnn.exporting.about import about
from charrnn.runs.model import Model
from charrnn.tasks.config import Config
from charrnn.tasks.kinds import kind_of

# safetensors


@pytest.mark.parametrize("task", ["lm", *SPECS])
def test_safetensors_holds_the_weights_of_every_task(tmp_path: Path, task: str) -> None:
    safetensors = needs_safetensors()
    if task == "lm":
        model = drawn(tmp_path)
    else:
        model = checkpoint_of(tmp_path / "m.npz", SPECS[task], task=task)
    library.export(model, tmp_path / "m.safetensors")
    with safetensors.safe_open(tmp_path / "m.safetensors", framework="numpy") as file:
        said = json.loads(file.metadata()["charrnn"])
        names = set(file.keys())
        assert names == set(model.parameters)
        for name in names:
            np.testing.assert_array_equal(file.get_tensor(name), model.parameters[name])
    assert said["version"] == library.__version__
    assert said["task"] == task
    assert Config.from_json(said["settings"]) == model.config
    if task == "lm":
        assert said["vocabulary"] == {"level": "char", "codes": sorted(map(ord, KNOWN))}
    else:
        assert kind_of(task).spec(said["spec"]) == model.spec


OWN_CELL = """
from charrnn.nn.cells import PlainCell
import numpy as np

class Mine(PlainCell):
    def step(self, w, a, h_prev):
        h = np.tanh(a[0] + h_prev @ w["W_h"])
        return h, (h_prev, h)

    def step_back(self, w, dw, kept, dh):
        h_prev, h = kept
        da = dh * (1 - h**2)
        dw["W_h"] += h_prev.T @ da
        return da, da @ w["W_h"].T
"""


def test_your_own_cell_can_only_be_exported_to_safetensors(tmp_path: Path) -> None:
    (tmp_path / "cell.py").write_text(OWN_CELL, encoding="utf-8")
    (tmp_path / "corpus.txt").write_text(TEXT, encoding="utf-8")
    own = ("--cell", "cell.py:Mine")
    brief = (*TINY, "--epochs", "0.1", "--threads", "1", "-q", "--out", "run")
    assert charrnn("train", "corpus.txt", *own, *brief, cwd=tmp_path).returncode == 0
    for suffix in (".pt", ".onnx"):
        done = charrnn("export", "run", f"m{suffix}", *own, cwd=tmp_path)
        refused(done.stderr, done.returncode, "it has its author's own cell")
    unnamed = charrnn("export", "run", "m.safetensors", cwd=tmp_path)
    refused(unnamed.stderr, unnamed.returncode, "its author's own cell")
    needs_safetensors()
    done = charrnn("export", "run", "m.safetensors", *own, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "m.safetensors").is_file()


# All of them


def test_more_weights_than_an_onnx_file_can_hold_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = drawn(tmp_path)
    monkeypatch.setattr(onnx_file, "LARGEST", 1000)
    with pytest.raises(InputError, match=r"too many for an \.onnx file") as error:
        library.export(model, tmp_path / "m.onnx")
    assert ".safetensors" in error.value.hint


def packages(suffix: str) -> None:
    {".safetensors": needs_safetensors, ".pt": needs_torch, ".onnx": needs_onnx}[suffix]()


every_format = pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".onnx"])


def metadata_of(path: Path) -> dict[str, Any]:
    """The metadata of a file."""
    if path.suffix == ".pt":
        import torch

        return dict(torch.load(path)["_extra_state"])
    if path.suffix == ".onnx":
        import onnx

        (entry,) = onnx.load(path).metadata_props
        assert entry.key == "charrnn"
        return dict(json.loads(entry.value))
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return dict(json.loads(file.metadata()["charrnn"]))


@every_format
def test_any_vocabulary_can_be_read_back(tmp_path: Path, suffix: str) -> None:
    """Also one with odd characters: NUL, a change of direction, the last code point."""
    packages(suffix)
    codes = [0, 10, 27, 34, 60, 0x202E, 0xFFFF, 0x10FFFF]
    model = drawn(tmp_path, known="".join(map(chr, codes)))
    library.export(model, tmp_path / f"m{suffix}")
    assert metadata_of(tmp_path / f"m{suffix}")["vocabulary"] == {"level": "char", "codes": codes}


@every_format
def test_bytes_are_their_own_numbers(tmp_path: Path, suffix: str) -> None:
    packages(suffix)
    library.export(drawn(tmp_path, level="byte"), tmp_path / f"m{suffix}")
    said = metadata_of(tmp_path / f"m{suffix}")
    assert said["vocabulary"] == {"level": "byte", "codes": list(range(256))}


@every_format
def test_equal_models_make_equal_files(tmp_path: Path, suffix: str) -> None:
    packages(suffix)
    files = [tmp_path / f"{k}{suffix}" for k in range(8)]
    for file in files:
        library.export(drawn(tmp_path), file)
    assert len({file.read_bytes() for file in files}) == 1


@every_format
def test_an_existing_file_is_replaced_or_unchanged(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages(suffix)
    model, file = drawn(tmp_path), tmp_path / f"m{suffix}"
    file.write_bytes(b"before")
    with monkeypatch.context() as patch:

        def full(path: Path, data: bytes) -> int:
            with path.open("wb") as beginning:
                beginning.write(data[:10])
            raise OSError(28, "No space left on device")

        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(CheckpointError, match=r"cannot write .*No space left"):
            library.export(model, file)
    assert file.read_bytes() == b"before"
    assert {path.name for path in tmp_path.iterdir()} == {"m.npz", file.name}
    library.export(model, str(file))
    assert file.read_bytes() != b"before"
    assert {path.name for path in tmp_path.iterdir()} == {"m.npz", file.name}


@every_format
@pytest.mark.parametrize("where", ["folder", "nowhere/m", "m\0"])
def test_a_file_that_cannot_be_written_is_reported_on_one_line(
    tmp_path: Path, suffix: str, where: str
) -> None:
    packages(suffix)
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(CheckpointError, match="cannot write") as error:
        library.export(drawn(tmp_path), tmp_path / f"{where}{suffix}")
    assert "\n" not in str(error.value)
    assert not list((tmp_path / f"folder{suffix}").iterdir())


@pytest.mark.parametrize(
    ("suffix", "package"), [(".safetensors", "safetensors"), (".pt", "torch"), (".onnx", "onnx")]
)
def test_without_its_package_the_install_line_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, package: str
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=f"^{suffix} files need {package} ") as error:
        library.export(drawn(tmp_path), tmp_path / f"m{suffix}")
    assert error.value.hint == f"python -m pip install {package}"
    assert not (tmp_path / f"m{suffix}").exists()


@pytest.mark.parametrize("task", SPECS)
@pytest.mark.parametrize("suffix", [".pt", ".onnx"])
def test_other_tasks_are_refused_on_one_line(tmp_path: Path, task: str, suffix: str) -> None:
    checkpoint_of(tmp_path / "m.npz", SPECS[task], task=task)
    done = charrnn("export", "m.npz", f"m{suffix}", cwd=tmp_path)
    refused(done.stderr, done.returncode, f"its task is {task}")
    assert b".safetensors" in done.stderr


@pytest.mark.parametrize("suffix", [".pt", ".onnx"])
def test_outputs_without_a_softmax_are_refused(tmp_path: Path, suffix: str) -> None:
    model = drawn(tmp_path, loss="sigmoid")
    with pytest.raises(InputError, match="it has no softmax output"):
        library.export(model, tmp_path / f"m{suffix}")


def test_only_a_model_is_exported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be a Model, got 'run'") as error:
        library.export("run", tmp_path / "m.onnx")  # type: ignore[arg-type]
    assert "charrnn.load" in error.value.hint


# The command


def refused(stderr: bytes, code: int, message: str) -> None:
    """Assert an error of two lines, with exit code 2."""
    lines = stderr.decode().splitlines()
    assert code == 2, lines
    assert lines[0].startswith("error: "), lines
    assert message in lines[0]
    assert len(lines) == 2
    assert lines[1].startswith("hint: ")


@pytest.mark.parametrize("name", ["m", "m.npz", "m.onnx.gz", "-", "", ".onnx/x", ".onnx"])
def test_a_name_without_a_format_is_refused(tmp_path: Path, name: str) -> None:
    drawn(tmp_path)
    before = (tmp_path / "m.npz").read_bytes()
    done = charrnn("export", "m.npz", name, cwd=tmp_path)
    refused(done.stderr, done.returncode, "unknown suffix")
    assert b".safetensors, .pt, .onnx or .html" in done.stderr
    assert (tmp_path / "m.npz").read_bytes() == before


def test_mistakes_take_two_lines(tmp_path: Path) -> None:
    drawn(tmp_path)
    for names, message in (
        (("m.npz", "a.onnx", "b.onnx"), "3 names are too many"),
        (("nowhere.npz", "a.onnx"), "'nowhere.npz' does not exist"),
        (("m.npz",), "unknown suffix"),
    ):
        done = charrnn("export", *names, cwd=tmp_path)
        assert done.stdout == b""
        lines = done.stderr.decode().splitlines()
        assert done.returncode == 2
        assert message in lines[0]
        assert len(lines) <= 2
    assert charrnn("export", cwd=tmp_path).returncode == 2


def test_the_command_names_the_model_and_the_file(tmp_path: Path) -> None:
    needs_safetensors()
    drawn(tmp_path)
    done = charrnn("export", "m.npz", "\x1b[31m.SafeTensors", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    size = (tmp_path / "\x1b[31m.SafeTensors").stat().st_size
    expected = f"\\x1b[31m.SafeTensors: {size:,} bytes, from m.npz\n"
    assert (done.stdout, done.stderr.decode()) == (b"", expected)


def test_without_a_run_the_last_suitable_one_is_exported(tmp_path: Path) -> None:
    needs_onnx()
    needs_safetensors()
    for name in ("texts", "tags"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    drawn(tmp_path).save(tmp_path / "checkpoints" / "texts" / "last.npz")
    checkpoint_of(tmp_path / "checkpoints" / "tags" / "last.npz", SPECS["tag"], task="tag")
    (tmp_path / "checkpoints" / "latest").write_text("tags", encoding="utf-8")
    for file, run_name in (("m.onnx", "texts"), ("m.safetensors", "tags")):
        done = charrnn("export", file, cwd=tmp_path)
        assert f"checkpoints/{run_name}/last.npz (the run saved last)" in done.stderr.decode()


# The document

DOCUMENT = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"```python\n(.*?)```", DOCUMENT, flags=re.DOTALL)


def run_script(word: str, model: Model, folder: Path, suffix: str) -> dict[str, Any]:
    """The results of a script in the document, run unchanged beside an export."""
    (script,) = [
        script for script in SCRIPTS if re.search(rf"^(import|from) {word}\b", script, re.M)
    ]
    library.export(model, folder / f"model{suffix}")
    names: dict[str, Any] = {}
    exec(compile(script, word, "exec"), names)  # noqa: S102 - it is ours
    return names


KNOWN_THERE = KNOWN + "T"


@pytest.mark.parametrize("settings", [{}, {"cell": "gru", "embedding": 5}, {"head": "tied"}])
def test_the_script_in_the_docs_reads_a_pytorch_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    needs_torch()
    monkeypatch.chdir(tmp_path)
    model = drawn(tmp_path, known=KNOWN_THERE, **settings)
    names = run_script("torch", model, tmp_path, ".pt")
    x = model.vocabulary.encode_text("\nThe ").astype(np.intp)[:, None]
    y, _, _ = model.network.forward(model.parameters, x, model.network.zero_state(1))
    y = y[:, 0].astype(np.float64)
    expected = y - np.log(np.exp(y).sum(axis=-1, keepdims=True))
    close(names["log_p"].detach().numpy(), expected)
    (script,) = [script for script in SCRIPTS if "import torch" in script]
    assert len([line for line in script.splitlines() if line.strip()]) <= 12


def test_the_script_in_the_docs_reads_a_safetensors_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_safetensors()
    monkeypatch.chdir(tmp_path)
    model = drawn(tmp_path)
    names = run_script("safetensors", model, tmp_path, ".safetensors")
    assert names["about"] == about(model)
    np.testing.assert_array_equal(names["weights"]["body.0.W_h"], model.parameters["body.0.W_h"])


def test_the_script_in_the_docs_writes_with_an_onnx_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its text follows the model's probabilities."""
    needs_onnx()
    monkeypatch.chdir(tmp_path)
    known = KNOWN_THERE
    names = run_script("onnxruntime", drawn(tmp_path, known=known), tmp_path, ".onnx")
    assert len(names["text"]) == 205
    assert names["text"].startswith("\nThe ")
    assert set(names["text"]) <= set(known)
    assert capsys.readouterr().out == names["text"] + "\n"


def test_every_script_of_the_document_is_run() -> None:
    assert len(SCRIPTS) == 3
