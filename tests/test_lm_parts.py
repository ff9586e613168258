"""A language model with separate files for training, validation and test."""

import json
import re
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import TEXT, charrnn, metrics

import charrnn as library
from charrnn.runs.history import compared
from charrnn.text.escapes import UNKNOWN_NATS

TINY = ("--hidden", "8", "--seq-len", "16", "--batch-size", "4", "--threads", "1", "--quiet")
TRAIN, VAL, TEST = TEXT * 4, TEXT[100:300] + "Ω\n", TEXT[300:520] + "ø\nø\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run. The tests must not change it."""
    folder = tmp_path_factory.mktemp("parts")
    for name, text in (("train", TRAIN), ("val", VAL), ("test", TEST)):
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    parts = ("train.txt", "--val", "val.txt", "--test", "test.txt")
    done = charrnn("train", *parts, *TINY, "--epochs", "2", "--out", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    said = done.stderr.decode()
    assert f"{len(TRAIN):,} characters train, {len(VAL)} validate (from val.txt)" in said
    assert f"{len(TEST)} test (from test.txt)" in said
    assert "test: " in said
    return folder


def scored(place: Path, *arguments: str) -> dict[str, Any]:
    done = charrnn("eval", *arguments, "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def logged(run: Path, event: str) -> list[dict[str, Any]]:
    return [entry for entry in metrics(run) if entry["event"] == event]


def test_the_vocabulary_is_that_of_the_training_part(place: Path) -> None:
    model = library.load(place / "run")
    assert set(model.spec.vocabulary.codes) == set(map(ord, TRAIN))


def test_eval_scores_the_test_part_as_the_training_did(place: Path) -> None:
    found = scored(place, "run")
    assert found["text"] == "test.txt, this run's test file"
    assert (found["scored"], found["unknown"]) == (len(TEST), 2)
    (at_the_end,) = logged(place / "run", "test")
    carried = found["network"]["state carried"]
    assert carried["nats"] == pytest.approx(at_the_end["loss"], abs=1e-5)
    assert carried["bits"] == pytest.approx(at_the_end["bits per character"], abs=1e-5)
    for name, one in found["yardsticks"].items():
        assert one["bits"] == pytest.approx(at_the_end["baselines"][name], abs=1e-9)
    assert found["unknown_nats"] == pytest.approx(2 * UNKNOWN_NATS / len(TEST))
    # Named, it is the same text, read after the same others.
    assert scored(place, "run", "test.txt")["network"] == found["network"]


def test_the_validation_set_is_scored_where_it_is_named(place: Path) -> None:
    found = scored(place, "run", "val.txt")
    assert found["text"] == "val.txt, this run's validation file"
    best = min(entry["nats"] for entry in logged(place / "run", "validation"))
    assert found["network"]["state carried"]["nats"] == pytest.approx(best, abs=1e-5)
    assert found["unknown"] == 1
    refused = charrnn("eval", "run", "train.txt", cwd=place)
    assert refused.returncode == 2
    assert b"trained on all of train.txt" in refused.stderr


def test_an_unknown_character_costs_what_the_rule_states(place: Path, tmp_path: Path) -> None:
    """The rest of the score does not depend on which they are, or on how many."""
    known = VAL.replace("Ω", "\n")
    losses = []
    for number, text in enumerate((VAL, VAL.replace("Ω", "ß"), known)):
        run = library.train(
            text=TRAIN,
            val=_written(tmp_path / f"{number}.txt", text),
            out=tmp_path / str(number),
            epochs=1,
            hidden=8,
            threads=1,
        )
        run.finish()
        losses.append(run.best.val if run.best else None)
    assert losses[0] == losses[1]
    assert losses[0] is not None
    assert losses[2] is not None
    # In the place of the unknown one the model reads a line end, as it does in the third.
    own = losses[2] * len(VAL) - losses[0] * len(VAL) + UNKNOWN_NATS
    assert 0 < own < 2 * log(len(set(TRAIN)))


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_run_of_parts_resumes_exactly(place: Path, tmp_path: Path) -> None:
    whole, halved = tmp_path / "whole", tmp_path / "halved"

    def begun(out: Path) -> library.Run:
        train, val, test = (place / f"{name}.txt" for name in ("train", "val", "test"))
        return library.train(
            train, val=val, test=test, out=out, threads=1, epochs=4, hidden=8, lines=True
        )

    begun(whole).finish()
    run = begun(halved)
    for number, _ in enumerate(run):
        if number == 20:
            run.stop()
    library.resume(halved).finish()
    first_end, second_end = (library.load(out / "last.npz").parameters for out in (whole, halved))
    np.testing.assert_array_equal(first_end.flat, second_end.flat)
    (first,), (second,) = (logged(out, "test") for out in (whole, halved))
    assert first["loss"] == second["loss"]
    other = tmp_path / "other.txt"
    other.write_text(VAL + "a", encoding="utf-8")
    with pytest.raises(library.InputError, match="has changed since this run began"):
        library.resume(halved, val=other)


def test_a_run_with_only_a_test_part(place: Path, tmp_path: Path) -> None:
    done = charrnn(
        "train", str(place / "train.txt"), "--test", str(place / "test.txt"), *TINY, "--level",
        "byte", "--epochs", "1", "--out", "run", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = done.stderr.decode()
    held = round(len(TRAIN.encode()) / 10)
    assert f"the last {held} validate, {len(TEST.encode())} test" in said
    assert "bits per byte" in said
    found = scored(tmp_path, "run")
    assert (found["scored"], found["unknown"]) == (len(TEST.encode()), 0)


def test_text_seen_in_training_is_reported(place: Path, tmp_path: Path) -> None:
    (tmp_path / "met.txt").write_text(TRAIN[150:400], encoding="utf-8")
    parts = (str(place / "train.txt"), "--val", "met.txt", "--test", str(place / "test.txt"))
    done = charrnn("train", *parts, *TINY, "--epochs", "1", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = done.stderr.decode()
    assert said.count("is part of the training text, so its loss is too low") == 1
    assert "note: met.txt is part of the training text" in said
    (tmp_path / "met.txt").unlink()
    found = charrnn("eval", "run", cwd=tmp_path)
    assert found.returncode == 2
    assert b"met.txt, part of this run's data, is no longer there" in found.stderr
    again = charrnn("train", "--resume", "run", "--epochs", "2", cwd=tmp_path)
    assert again.returncode == 2
    assert b"name it: charrnn train --val FILE --resume run --epochs 2" in again.stderr


def test_more_epochs_without_progress_keep_the_best_model(place: Path, tmp_path: Path) -> None:
    """The best model then has fewer epochs than the last state."""
    parts = (str(place / "train.txt"), "--val", str(place / "val.txt"))
    flags = (*TINY, "--lr", "0", "--epochs", "1", "--out", "run")
    assert charrnn("train", *parts, *flags, cwd=tmp_path).returncode == 0
    assert charrnn("train", "--resume", "run", "--epochs", "2", cwd=tmp_path).returncode == 0
    assert "val.txt" in scored(tmp_path, "run")["text"]


def test_an_average_is_tested_as_one(place: Path, tmp_path: Path) -> None:
    parts = (str(place / "train.txt"), "--test", str(place / "test.txt"))
    flags = (*TINY, "--lr", "0.02", "--epochs", "2", "--members", "2", "--out", "run")
    assert charrnn("train", *parts, *flags, cwd=tmp_path).returncode == 0
    (at_the_end,) = logged(tmp_path / "run", "test")
    nats = scored(tmp_path, "run")["network"]["state carried"]["nats"]
    assert nats == pytest.approx(at_the_end["loss"], abs=1e-5)


def test_a_plan_of_parts(place: Path, tmp_path: Path) -> None:
    """The plan includes a validation set, though it is not split off."""
    done = charrnn(
        "train", str(place / "train.txt"), "--val", str(place / "val.txt"), "--minutes", "0.03",
        "--threads", "1", "--quiet", "--out", "run", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    config = library.load(tmp_path / "run").config
    assert config.val_fraction == 0
    assert config.patience > 0
    assert "val.txt" in scored(tmp_path, "run")["text"]
    more = ("--epochs", "30") if config.members == 1 else ("--members", f"{config.members + 1}")
    assert charrnn("train", "--resume", "run", *more, cwd=tmp_path).returncode == 0
    assert "val.txt" in scored(tmp_path, "run")["text"]  # whatever changed, it is the same run


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--val", "none.txt"), b"file 'none.txt' does not exist"),
        (("--val", "empty.txt"), b"the corpus is empty (empty.txt)"),
        (("--val", "val.txt", "--val-fraction", "0.2"), b"give one of them"),
        (("--val", "-", "--test", "-"), b"standard input can be read only once"),
    ],
)
def test_unusable_parts_are_refused(
    place: Path, tmp_path: Path, arguments: tuple[str, ...], said: bytes
) -> None:
    for name in ("train", "val"):
        (tmp_path / f"{name}.txt").write_bytes((place / f"{name}.txt").read_bytes())
    (tmp_path / "empty.txt").write_bytes(b"")
    done = charrnn("train", "train.txt", *arguments, *TINY, cwd=tmp_path, stdin=b"a")
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_a_run_that_ends_behind_the_n_grams_says_so_first(place: Path, tmp_path: Path) -> None:
    line = ("train", str(place / "train.txt"), *TINY, "--out", "run")
    done = charrnn(*line, "--epochs", "1", cwd=tmp_path)
    (noted,) = logged(tmp_path / "run", "compared")
    name, nats = min(
        ((k, v) for k, v in noted["figures"].items() if k.endswith("gram")), key=lambda x: x[1]
    )
    for number in (1, 2):  # from what this process found, and from the log
        best = min(entry["nats"] for entry in logged(tmp_path / "run", "validation"))
        last = done.stderr.decode().split(f"epoch {number}.00: ")[1].splitlines()[1:]
        assert re.match(rf"best: {best:.4f} nats/char .* at step \d+; the \S+ baseline is", last[0])
        assert any(line.endswith("  charrnn eval run --mix") for line in last)
        done = charrnn("train", "--resume", "run", "--epochs", "2", "--quiet", cwd=tmp_path)
    inspected = charrnn("inspect", "run", cwd=tmp_path).stdout.decode()
    assert re.search(rf"^baselines +unigram .*{name} {nats:.4f}", inspected, re.M)
    # Of a run that noted no n-grams nothing is said of them.
    log_of = tmp_path / "run" / "metrics.jsonl"
    kept = [entry for entry in log_of.read_text().splitlines() if "compared" not in entry]
    log_of.write_text("\n".join(kept) + "\n")
    done = charrnn("train", "--resume", "run", "--epochs", "3", "--quiet", cwd=tmp_path)
    assert done.returncode == 0
    assert b"baseline" not in done.stderr
    assert b"baselines" not in charrnn("inspect", "run", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[1]",
        '{"event": "compared"}',
        '{"event": "compared", "figures": 3}',
        '{"event": "compared", "figures": {"5-gram": "1", "\\u001b[2J": 1.0, "gzip": 1e999}}',
        "[" * 10_000,
    ],
)
def test_figures_of_a_log_are_not_trusted(tmp_path: Path, line: str) -> None:
    (tmp_path / "metrics.jsonl").write_text(line + "\n", encoding="utf-8")
    assert compared(tmp_path) == {}
    assert compared(tmp_path / "nowhere") == {}
