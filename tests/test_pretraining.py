"""Classifiers and taggers whose recurrent layers begin as those of a language model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import charrnn, fingerprint, metrics, run_until
from test_wide import rows, sentences

from charrnn.checkpoint import read_checkpoint
from charrnn.nn.parameters import Parameters
from charrnn.runs.model import Model, load_model
from charrnn.tasks.base import Paths
from charrnn.tasks.config import Config
from charrnn.tasks.kinds import kind_of
from charrnn.tasks.pretraining import carry_layers, settings_of_layers
from charrnn.training.begin import begin, resume

TEXT = "abc bca xab fed cab " * 40  # lacks the line feed and some letters of the rows
NETWORKS = {
    "one-hot": (),
    "embedding": ("--embedding", "5"),
    "tied": ("--task", "lm,head=tied"),
    "two layers": ("--layers", "2"),
    "lstm": ("--cell", "lstm,gates=cell"),
}


def language_model(folder: Path, *options: str) -> Model:
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    small = ("--hidden", "6", "--epochs", "1", "--cell", "gru")
    done = charrnn("train", "text.txt", *small, *options, "--out", "old", "-q", cwd=folder)
    assert done.returncode == 0, done.stderr
    return load_model(folder / "old" / "best.npz")


def pretrained(folder: Path, model: Model, directions: str) -> tuple[Parameters, Parameters, Any]:
    """Fresh weights of a classifier, the same with the layers carried over, and its spec."""
    (folder / "rows.tsv").write_text("".join(rows()), encoding="utf-8")
    own: dict[str, Any] = {**settings_of_layers(model), "directions": directions}
    config = Config.of("classify", **own)
    data = kind_of("classify").read(Paths((str(folder / "rows.tsv"),)), config)
    spec = data.spec()
    fresh, carried = (spec.model(config).init(np.random.default_rng(0)) for _ in range(2))
    carry_layers(model, carried, spec)
    return fresh, carried, spec


@pytest.mark.parametrize("directions", ["forward", "both"])
@pytest.mark.parametrize("options", NETWORKS.values(), ids=list(NETWORKS))
def test_the_layers_are_those_of_the_language_model(
    tmp_path: Path, options: tuple[str, ...], directions: str
) -> None:
    model = language_model(tmp_path, *options)
    fresh, carried, spec = pretrained(tmp_path, model, directions)
    old, way = model.parameters, "ahead." if directions == "both" else ""
    by_character = "embedding.W" if "embedding.W" in old else "body.0.W_x"
    seen = {by_character.replace("body.0.", f"body.0.{way}")}
    for character in "abcx":
        (place,) = spec.alphabet.encode(character)
        known = model.spec.vocabulary.codes.index(ord(character))
        (name,) = seen
        np.testing.assert_array_equal(carried[name][place], old[by_character][known])
    for sign in range(3):  # unknown, start, end
        np.testing.assert_array_equal(carried[name][sign], fresh[name][sign])
    for name, weights in old.items():
        if not name.startswith("body.") or name == by_character:
            continue
        layer, _, rest = name.rpartition(".")
        own = carried[f"{layer}.{way}{rest}"]
        np.testing.assert_array_equal(own[: len(weights)], weights)
        assert not own[len(weights) :].any()  # what the layer below has read backwards
        seen.add(f"{layer}.{way}{rest}")
    for name in set(fresh) - seen:
        np.testing.assert_array_equal(carried[name], fresh[name])


def test_a_character_that_is_new_keeps_its_weights(tmp_path: Path) -> None:
    model = language_model(tmp_path)
    (tmp_path / "rows.tsv").write_text("".join(rows()).replace("f", "é"), encoding="utf-8")
    config = Config.of("classify", **settings_of_layers(model))
    spec = kind_of("classify").read(Paths((str(tmp_path / "rows.tsv"),)), config).spec()
    fresh, carried = (spec.model(config).init(np.random.default_rng(0)) for _ in range(2))
    note = carry_layers(model, carried, spec)
    assert note.endswith("; characters that it lacks: 'é' (U+00E9)")
    (place,) = spec.alphabet.encode("é")
    name = "body.0.ahead.W_x"
    np.testing.assert_array_equal(carried[name][place], fresh[name][place])


@pytest.mark.parametrize(("task", "lines"), [("classify", rows()), ("tag", sentences())])
def test_a_run_begins_with_the_layers_and_resumes_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, lines: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    model = language_model(tmp_path)
    Path("rows.txt").write_text("".join(lines), encoding="utf-8")
    given = {"task": task, "epochs": 2.0, "batch_size": 8}

    def new(out: str) -> Any:
        return begin(given, Paths(("rows.txt",)), out=out, init_from="old", threads=1)

    whole = new("whole")
    assert (whole.config.hidden, whole.config.cell) == (6, "gru")
    own = whole.trainer.parameters["body.0.ahead.W_h"]
    np.testing.assert_array_equal(own, model.parameters["body.0.W_h"])
    run_until(whole)
    run_until(new("broken"), 5)
    again = resume("broken", Paths(()))
    run_until(again)
    assert fingerprint(Path("broken")) == fingerprint(Path("whole"))
    assert metrics(Path("broken")) == metrics(Path("whole"))
    header, _ = read_checkpoint(Path("whole/last.npz"))
    assert header["training"]["ancestor"]["layers"] is True
    events = [line["event"] for line in metrics(Path("whole"))]
    assert "inherited" not in events
    assert events[0] == "validation"  # of the map of n-grams by itself


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rows.tsv", "--task", "classify", "--hidden", "9"), "the checkpoint has hidden=6, not 9"),
        (("rows.tsv", "--task", "classify", "--level", "byte"), "has level=char, not byte"),
        (("rows.tsv", "--task", "translate"), "the checkpoint has task=lm, not translate"),
        (("--task", "classify"), "--task classify needs a file to train on"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    language_model(tmp_path)
    (tmp_path / "rows.tsv").write_text("".join(rows()), encoding="utf-8")
    done = charrnn("train", *arguments, "--init-from", "old", cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_a_model_without_layers_is_refused(tmp_path: Path) -> None:
    language_model(tmp_path, "--layers", "0")
    (tmp_path / "rows.tsv").write_text("".join(rows()), encoding="utf-8")
    done = charrnn("train", "rows.tsv", "--task", "classify", "--init-from", "old", cwd=tmp_path)
    assert done.returncode == 2
    assert b"has no recurrent layers to begin with" in done.stderr


def test_a_classifier_still_begins_with_all_of_another(tmp_path: Path) -> None:
    (tmp_path / "rows.tsv").write_text("".join(rows()), encoding="utf-8")
    small = ("--task", "classify", "--hidden", "6", "--epochs", "1", "-q")
    assert charrnn("train", "rows.tsv", *small, "--out", "one", cwd=tmp_path).returncode == 0
    done = charrnn("train", "rows.tsv", "--init-from", "one", "--epochs", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"the recurrent layers begin" not in done.stderr
    assert b"step 0/" in done.stderr
