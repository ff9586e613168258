"""The tasks: how data are read, split, trained on, measured and used."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from groups import Threads, in_threads
from support import charrnn, command, environment, fingerprint

from charrnn.errors import CheckpointError, InputError
from charrnn.nn.types import Array
from charrnn.ranks import Follower, end
from charrnn.runs.folder import RunFolder
from charrnn.runs.model import load_model
from charrnn.tasks.base import Data, Paths
from charrnn.tasks.classify import ClassifyData, classify, predict
from charrnn.tasks.config import Config
from charrnn.tasks.forecast import ForecastData, forecast, one_step
from charrnn.tasks.generate import GenerateData
from charrnn.tasks.kinds import KINDS
from charrnn.tasks.shares import unfitted, without_shares
from charrnn.tasks.supervised import Shuffled
from charrnn.tasks.tag import TagData, tag
from charrnn.tasks.translate import TranslateData, candidates, fewest_corrections, translate
from charrnn.text.alphabet import END, START, UNKNOWN
from charrnn.training.events import Stopped, Validated
from charrnn.training.loop import Step
from charrnn.training.run import Run

SMALL: dict[str, Any] = {"hidden": 8, "batch_size": 8, "epochs": 2.0}


def words(count: int, size: int = 4, seed: int = 0) -> list[str]:
    """Distinct words."""
    draw = np.random.default_rng(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(draw.choice(list("abcdefgh"), draw.integers(2, size + 3)))] = None
    return list(found)


def classify_rows(count: int = 80, seed: int = 0) -> list[str]:
    return [f"{w}\t{'even' if len(w) % 2 == 0 else 'odd'}\n" for w in words(count, seed=seed)]


def tag_rows(count: int = 60) -> list[str]:
    ws = words(3 * count)
    sentences = [ws[3 * k : 3 * k + 1 + k % 3] for k in range(count)]
    return ["".join(f"{w}\t{w[0]}\n" for w in s) + "\n" for s in sentences]


def translate_rows(count: int = 60) -> list[str]:
    return [f"{w}\t{w[::-1]}\n" for w in words(count)]


def generate_rows(count: int = 60) -> list[str]:
    return [f"{w[0]}\t{w}\n" for k, w in enumerate(sorted(words(count))) if w[0] in "abc"] * 1


def series_rows(count: int = 300) -> list[str]:
    t = np.arange(count)
    return ["x,y\n", *(f"{np.sin(0.3 * k):.4f},{np.cos(0.2 * k) + 5:.4f}\n" for k in t)]


MAKE: dict[str, Callable[[], list[str]]] = {
    "classify": classify_rows,
    "tag": tag_rows,
    "translate": translate_rows,
    "generate": generate_rows,
    "forecast": series_rows,
}
Models = Callable[..., Any]
every_task = pytest.mark.parametrize("task", MAKE)


def written(folder: Path, rows: list[str], name: str = "data.txt") -> str:
    path = folder / name
    path.write_text("".join(rows), encoding="utf-8", newline="")
    return str(path)


def read(folder: Path, task: str, **settings: Any) -> tuple[Data, Config]:
    config = Config.of(task, **SMALL | settings)
    return KINDS[task].read(Paths((written(folder, MAKE[task]()),)), config), config


def run_all(folder: Path, data: Data, config: Config, **more: Any) -> Run:
    run = Run.begin(config, data, RunFolder(folder, resume=False), threads=1, **more)
    try:
        list(run.events())
    finally:
        run.close()
    return run


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in another folder, since a run writes checkpoints/latest."""
    monkeypatch.chdir(tmp_path)


# The parts


def test_no_input_is_in_two_parts(tmp_path: Path) -> None:
    """Rows with the same text stay together, whatever their labels; each part has each label."""
    rows = classify_rows(100) + [row.replace("\todd", "\tstrange") for row in classify_rows(30)]
    data = ClassifyData(Paths((written(tmp_path, rows),)), Config.of("classify"))
    rows_of = (data.rows.train, data.rows.val, data.rows.test)
    parts = [{row.left for row in part} for part in rows_of]
    assert all(parts)
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]
    assert sum(map(len, rows_of)) == len(rows)


def test_the_alphabet_is_of_the_training_part_alone(tmp_path: Path) -> None:
    """Each text has its own character, and only those of the training part are known."""
    rows = [f"{chr(0x4E00 + k)}\t{'ab'[k % 2]}\n" for k in range(50)]
    data = ClassifyData(Paths((written(tmp_path, rows),)), Config.of("classify"))
    spec = data.spec()
    assert all(spec.alphabet.unknown(row.left) == 0 for row in data.rows.train)
    held_out = (*data.rows.val, *data.rows.test)
    assert len(held_out) == 10
    assert all(spec.alphabet.unknown(row.left) == 1 for row in held_out)


def test_a_series_is_measured_by_its_training_part(tmp_path: Path) -> None:
    values = np.r_[np.tile([1.0, 3.0], 40), np.full(20, 1000.0)]
    path = written(tmp_path, [f"{v}\n" for v in values], "s.csv")
    data = ForecastData(Paths((path,)), Config.of("forecast"))
    assert data.edges == [80, 90]
    assert data.spec().mean == (2.0,)
    assert data.spec().deviation == (1.0,)


def test_files_of_a_series_follow_each_other(tmp_path: Path) -> None:
    """Each in its role, even if two of them are the same file."""
    one = written(tmp_path, [f"{k % 7}\n" for k in range(50)], "one.csv")
    other = written(tmp_path, [f"{k % 5}\n" for k in range(20)], "other.csv")
    config = Config.of("forecast")
    assert ForecastData(Paths((one,), other, other), config).edges == [50, 70]
    assert ForecastData(Paths((one,), other), config).edges == [50, 70]
    assert ForecastData(Paths((one,), "", other), config).edges == [45, 50]
    assert len(ForecastData(Paths((one,), other, other), config).values) == 90


def test_named_files_are_the_parts(tmp_path: Path) -> None:
    paths = [written(tmp_path, classify_rows(30, seed), f"{seed}.tsv") for seed in (1, 2, 3)]
    data = ClassifyData(Paths((paths[0],), paths[1], paths[2]), Config.of("classify"))
    assert [len(p) for p in (data.rows.train, data.rows.val, data.rows.test)] == [30, 30, 30]
    only_val = ClassifyData(Paths((paths[0],), paths[1]), Config.of("classify"))
    assert len(only_val.rows.train) == 30
    assert only_val.rows.test == ()
    only_test = ClassifyData(Paths((paths[0],), "", paths[2]), Config.of("classify"))
    assert len(only_test.rows.val) == 3
    assert len(only_test.rows.test) == 30


def test_validation_and_test_inputs_seen_in_training_are_reported(tmp_path: Path) -> None:
    path = written(tmp_path, classify_rows(30), "a.tsv")
    data = ClassifyData(Paths((path,), path), Config.of("classify"))
    assert (
        "30 of the 30 rows that validate the model have an input that also trains" in data.notes[0]
    )


def test_the_order_follows_from_the_seed_alone() -> None:
    """Each example once an epoch, similar lengths together; each epoch has another order."""
    lengths = np.random.default_rng(1).integers(1, 90, size=500)
    order = Shuffled(lengths.tolist(), 16, 7)
    epochs = [[order.batch(e * len(order) + k) for k in range(len(order))] for e in range(2)]
    for batches in epochs:
        assert sorted(np.concatenate(batches)) == list(range(500))
        for batch in batches:
            assert (np.diff(lengths[batch]) <= 0).all()
    assert any((a[:5] != b[:5]).any() for a, b in zip(*epochs, strict=True))
    again = Shuffled(lengths.tolist(), 16, 7)
    np.testing.assert_array_equal(again.batch(len(order) + 3), epochs[1][3])
    spread = [np.ptp(lengths[batch]) for batch in epochs[0]]
    assert np.mean(spread) < np.ptp(lengths) / 4


# Training


@every_task
def test_a_run_resumes_exactly(tmp_path: Path, task: str) -> None:
    """Stopped at any step and resumed, it ends with the same bytes."""
    data, config = read(tmp_path, task, dropout=0.3)
    run_all(tmp_path / "whole", data, config)
    folder = tmp_path / "stopped"
    run = Run.begin(config, data, RunFolder(folder, resume=False), threads=1)
    total = run.trainer.total
    for event in run.events(lambda: run.trainer.number == total // 2):
        assert not isinstance(event, Step) or event.number <= total // 2
    assert isinstance(event, Stopped)
    run.close()
    held = RunFolder(folder, resume=True)
    again = Run.resume(held.load_last()[0], read(tmp_path, task)[0], held, 1)
    list(again.events())
    again.close()
    assert fingerprint(folder) == fingerprint(tmp_path / "whole")


@every_task
def test_the_number_of_processes_changes_nothing(tmp_path: Path, task: str) -> None:
    data, config = read(tmp_path, task, batch_size=32, epochs=1.0)
    prints = []
    for threads in (1, 2):
        folder = tmp_path / str(threads)
        run = Run.begin(config, data, RunFolder(folder, resume=False), threads=threads)
        list(run.events())
        run.close()
        model = load_model(folder / "best.npz")
        prints.append(model.parameters.flat.copy())
    np.testing.assert_array_equal(prints[0], prints[1])


@every_task
def test_the_number_of_ranks_changes_nothing(tmp_path: Path, task: str) -> None:
    """A whole run, its validations included; with dropout."""
    data, config = read(tmp_path, task, batch_size=32, epochs=1.0, dropout=0.2, shards=3)
    expected = run_all(tmp_path / "alone", data, config)

    def work(group: Threads) -> None:
        if group.rank:
            Follower(group, lambda line: None).follow()
            return
        run = Run.begin(config, data, RunFolder(tmp_path / "ranks", resume=False), threads=1)
        run.share_with(group)
        list(run.events())
        run.close()
        end(group)
        np.testing.assert_array_equal(run.trainer.parameters.flat, expected.trainer.parameters.flat)
        assert run.history == expected.history
        assert group.sent  # the other rank has had a part in it

    in_threads(Threads.make(2), work)


@every_task
def test_the_best_is_kept_and_reported(tmp_path: Path, task: str) -> None:
    """The report is on the best model's weights, on the test part, beside a baseline."""
    data, config = read(tmp_path, task, lr=0.05, epochs=6.0)
    run = Run.begin(config, data, RunFolder(tmp_path / "run", resume=False), threads=1)
    events = list(run.events())
    errors = [e.score.error for e in events if isinstance(e, Validated) and e.score]
    best = [e.step for e in events if isinstance(e, Validated) and e.best][-1]
    assert run.best is not None
    assert run.best.val == min(errors)
    assert run.best.step == best
    report = run.report()
    assert report is not None
    kept = load_model(tmp_path / "run" / "best.npz")
    again = run.task.test(kept.parameters)
    assert again is not None
    assert again.score == report.score
    assert all(np.isfinite(value) for value in report.baselines.values())
    assert report.baselines
    run.close()


@every_task
def test_a_checkpoint_knows_its_task(tmp_path: Path, task: str) -> None:
    data, config = read(tmp_path, task, epochs=0.1)
    run = run_all(tmp_path / "run", data, config)
    model = load_model(tmp_path / "run" / "best.npz")
    assert model.config == config
    assert model.spec == without_shares(run.spec)
    with pytest.raises(InputError, match=f"not a language model; its task is {task}"):
        _ = model.vocabulary


def test_training_starts_from_another_model_of_the_same_labels(tmp_path: Path) -> None:
    data, config = read(tmp_path, "classify")
    run_all(tmp_path / "first", data, config)
    initial = load_model(tmp_path / "first" / "best.npz")
    other = ClassifyData(
        Paths((written(tmp_path, [*classify_rows(40, 5), "x\teven\n"], "b.tsv"),)), config
    )
    run = Run.begin(config, other, RunFolder(tmp_path / "second", resume=False), initial)
    assert run.spec == unfitted(initial.spec)  # the map learns, too
    run.close()
    odd = [row.replace("odd", "other") for row in classify_rows()]
    strange = ClassifyData(Paths((written(tmp_path, odd, "c.tsv"),)), config)
    folder = RunFolder(tmp_path / "third", resume=False)
    with pytest.raises(InputError, match="different labels"):
        Run.begin(config, strange, folder, initial)
    folder.close()


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_a_classifier_is_validated_by_its_training_loss(tmp_path: Path, loss: str) -> None:
    """With the sigmoid, its answers on labels that a text does not have count as well."""
    rows = [f"{w}\t{w[0]}\n" for w in words(60) if w[0] in "abcd"]
    path = written(tmp_path, rows)
    # Beside a row in training is another map than in validation.
    config = Config.of("classify", **SMALL | {"loss": loss, "readout": "last", "wide": 0})
    data = ClassifyData(Paths((path,), val=path), config)
    spec = data.spec()
    model = spec.model(config)
    task = data.task(spec, config, model, threads=1)
    weights = model.init(np.random.default_rng(0), np.float64)
    weights.flat *= 3
    score = task.validate(weights)
    assert score is not None
    examples = len(data.rows.train)
    assert examples == len(data.rows.val) == len(rows)
    order = np.array(sorted(range(examples), key=lambda k: -len(data.rows.train[k].left)))
    trained = task.mean_loss(weights, [task.batch(order, None)])
    assert score.loss == pytest.approx(trained, rel=1e-12)


# Networks that learn


def test_a_classifier_learns_what_counting_cannot(tmp_path: Path) -> None:
    """Whether the first letter recurs at the end, for new words."""
    rows = [f"{w}\t{'same' if w[0] == w[-1] else 'other'}\n" for w in words(1500)]
    settings = {"hidden": 32, "epochs": 25.0, "lr": 0.01, "noise": 0.0, "dropout": 0.1}
    config = Config.of("classify", **SMALL | settings | {"batch_size": 32, "readout": "last"})
    data = ClassifyData(Paths((written(tmp_path, rows),)), config)
    run = run_all(tmp_path / "run", data, config)
    report = run.report()
    run.close()
    assert report is not None
    assert report.score.measures["accuracy"] > 0.97
    assert report.baselines["character n-gram naive Bayes"] < 0.93
    assert report.lines[0].split()[:2] == ["other", "same"]


def test_a_tagger_reads_both_ways(tmp_path: Path) -> None:
    """A tag that the *next* word decides cannot be known in one direction."""
    draw = np.random.default_rng(0)
    rows = []
    for _ in range(300):
        ws = draw.choice(["ab", "cd", "ef", "gh"], 4)
        tags = [w[0] for w in ws[1:]] + ["end"]
        rows.append("".join(f"{w}\t{t}\n" for w, t in zip(ws, tags, strict=True)) + "\n")
    path = written(tmp_path, rows)
    accuracies = {}
    for directions in ("both", "forward"):
        settings = {"epochs": 12.0, "lr": 0.02, "directions": directions, "noise": 0.0}
        config = Config.of("tag", **SMALL | settings)
        data = TagData(Paths((path,)), config)
        run = run_all(tmp_path / directions, data, config)
        report = run.report()
        assert report is not None
        accuracies[directions] = report.score.measures["token accuracy"]
        run.close()
    assert accuracies["both"] > 0.99
    assert accuracies["forward"] < 0.75


@pytest.mark.parametrize("task", ["translate", "translate,attention=none,directions=backward"])
def test_a_translator_learns_to_copy(tmp_path: Path, task: str) -> None:
    rows = [f"{w}\t{w.upper()}\n" for w in words(400, 2)]
    settings = {"hidden": 32, "epochs": 25.0, "lr": 0.01, "batch_size": 16, "dropout": 0.0}
    config = Config.of(**settings | Config.parse({"task": task}))
    data = TranslateData(Paths((written(tmp_path, rows),)), config)
    run = run_all(tmp_path / "run", data, config)
    report = run.report()
    run.close()
    assert report is not None
    assert report.score.measures["character error rate"] < 0.15
    assert report.baselines["nearest neighbour"] > 0.3


def test_a_forecast_comes_near_the_noise(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    x = [0.0]
    for _ in range(1500):
        x.append(0.9 * x[-1] + draw.standard_normal())
    config = Config.of("forecast", hidden=8, epochs=40.0, lr=0.01)
    data = ForecastData(Paths((written(tmp_path, [f"{v:.5f}\n" for v in x]),)), config)
    run = run_all(tmp_path / "run", data, config)
    report = run.report()
    run.close()
    assert report is not None
    error = report.score.measures["mean squared error"]
    assert error < 1.15 * report.baselines["linear autoregression on all rows before"]


# Using them


@pytest.fixture
def models(tmp_path: Path) -> Models:
    def trained(task: str, **settings: Any) -> Any:
        data, config = read(tmp_path, task, **settings)
        run_all(tmp_path / f"run-{task}", data, config)
        return load_model(tmp_path / f"run-{task}" / "best.npz")

    return trained


def test_a_text_is_classified_as_in_a_batch(models: Models) -> None:
    m = models("classify")
    texts = ["", "a", "abcdefgh" * 4, "żółw", *words(70, seed=3)]
    together = classify(m, texts)
    alone = np.concatenate([classify(m, [t]) for t in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    chances = [sum(one.probabilities.values()) for one in predict(m, texts)]
    np.testing.assert_allclose(chances, 1, atol=1e-12)


def test_a_sentence_is_tagged_as_in_a_batch(models: Models) -> None:
    m = models("tag")
    sentences = [["ab", "c"], [], ["żółw"], words(9)]
    together = tag(m, sentences)
    assert [len(p) for p in together] == [2, 0, 1, 9]
    for sentence, p in zip(sentences, together, strict=True):
        alone = tag(m, [sentence])[0]
        np.testing.assert_allclose(p, alone, atol=1e-5)


def test_a_tagger_reads_each_token_where_it_stands(tmp_path: Path) -> None:
    config = Config.of("tag")
    spec = TagData(Paths((written(tmp_path, tag_rows()),)), config).spec()
    ids, ends = spec.encode(["ab", "c", "def"])
    assert (ids[0], ids[-1]) == (START, END)
    texts = [spec.alphabet.decode(ids[first : last + 1]) for first, last in ends]
    assert texts == ["ab", "c", "def"]
    assert spec.alphabet.decode(ids[1:-1]) == "ab c def"


def test_a_wider_beam_finds_what_is_no_less_likely(models: Models) -> None:
    """And greedy is a beam of one: always the likeliest next character."""
    m = models("translate", epochs=4.0, lr=0.02)
    texts = words(20, seed=9)
    greedy = translate(m, texts)
    wide = translate(m, texts, beam=8)
    for one, other, found in zip(greedy, wide, candidates(m, texts, 8), strict=True):
        assert one.text in found
        assert max(found.values()) >= one.log_probability - 1e-6
        assert found[other.text] == other.log_probability
        assert other.text == fewest_corrections(found)
    alone = [translate(m, [t], beam=8)[0] for t in texts]
    assert [t.text for t in alone] == [t.text for t in wide]


def test_texts_of_a_label_end_by_themselves(models: Models) -> None:
    m = models("generate", epochs=40.0, lr=0.02, dropout=0.0)
    for label in m.spec.labels:
        texts = m.sample(label=label, n=50, temperature=0.5, seed=0)
        assert np.mean([text[:1] == label for text in texts]) > 0.8
        assert max(map(len, texts)) < m.spec.most
        assert not any(chr(0xFFFD) in text for text in texts)
    primed = m.sample("ab", label=m.spec.labels[0], n=3, temperature=1.0, seed=0)
    assert all(text.startswith("ab") for text in primed)


def test_a_forecast_continues_from_its_own_predictions(models: Models) -> None:
    """The first row is the prediction of one step; the second, the one after that."""
    m = models("forecast")
    values = np.column_stack([np.sin(0.3 * np.arange(50)), np.cos(0.2 * np.arange(50)) + 5])
    ahead = forecast(m, values, 3)
    assert ahead.shape == (3, 2)
    extended = np.vstack([values, ahead])
    np.testing.assert_allclose(one_step(m, extended)[-3:], ahead, atol=1e-4)


def test_noise_only_makes_characters_unknown(tmp_path: Path) -> None:
    data, config = read(tmp_path, "classify", noise=0.5)
    assert isinstance(data, ClassifyData)
    spec = data.spec()
    task = data.task(spec, config, spec.model(config), 1)
    rows = np.argsort([-len(row.left) for row in data.rows.train], kind="stable")[:8]
    clean, _ = task.batch(rows, None)
    noisy, _ = task.batch(rows, np.random.default_rng(0))
    lost = noisy.x != clean.x
    assert (noisy.x[lost] == UNKNOWN).all()
    assert (clean.x[lost] > END).all()
    assert 0.3 < lost.sum() / (clean.x > END).sum() < 0.7


# The command


def out(done: Any) -> Array:
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().splitlines()  # type: ignore[no-any-return]


def test_train_and_predict(tmp_path: Path) -> None:
    """From the command line: arguments, a file and standard input; three forms."""
    path = written(tmp_path, classify_rows())
    flags = ("--hidden", "8", "--epochs", "1", "--out", "run", "-q")
    done = charrnn("train", path, "--task", "classify,readout=last", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"baseline: character n-gram naive Bayes: accuracy" in done.stderr
    assert b"charrnn predict run TEXT" in done.stderr
    labels = out(charrnn("predict", "run", "abc", "abcd", cwd=tmp_path))
    assert set(labels) <= {"even", "odd"}
    Path("texts.txt").write_text("abc\nabcd\n", encoding="utf-8")
    assert out(charrnn("predict", "run", "--file", "texts.txt", cwd=tmp_path)) == labels
    assert out(charrnn("predict", "run", cwd=tmp_path, stdin=b"abc\nabcd\n")) == labels
    rows = out(charrnn("predict", "run", "abc", "--format", "tsv", cwd=tmp_path))
    text, label, chance = rows[0].split("\t")
    assert (text, label) == ("abc", labels[0])
    (line,) = out(charrnn("predict", "run", "abc", "--format", "jsonl", cwd=tmp_path))
    record = json.loads(line)
    assert record["label"] == label
    assert sum(record["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert record["probabilities"][label] == pytest.approx(float(chance), abs=1e-4)
    wrong = charrnn("sample", "run", cwd=tmp_path)
    assert wrong.returncode == 2
    assert b"writes no texts; its task is classify" in wrong.stderr


def test_a_generator_needs_a_label(tmp_path: Path) -> None:
    path = written(tmp_path, generate_rows())
    flags = ("--hidden", "8", "--epochs", "1", "--out", "run", "-q")
    assert charrnn("train", path, "--task", "generate", *flags, cwd=tmp_path).returncode == 0
    for arguments in ((), ("--label", "zebra")):
        done = charrnn("sample", "run", *arguments, cwd=tmp_path)
        assert done.returncode == 2
        assert b"choose from 'a', 'b', 'c'" in done.stderr
    texts = out(charrnn("sample", "run", "--label", "a", "-n", "3", "--seed", "1", cwd=tmp_path))
    assert len(texts) == 5
    assert texts[1::2] == ["---", "---"]
    one = out(charrnn("sample", "run", "--label", "a", "--seed", "1", cwd=tmp_path))
    assert one == texts[:1]
    assert charrnn("predict", "run", "x", cwd=tmp_path).returncode == 2


def test_a_forecast_from_a_file(tmp_path: Path) -> None:
    path = written(tmp_path, series_rows(), "s.csv")
    flags = ("--hidden", "8", "--epochs", "1", "--out", "run", "-q")
    assert charrnn("train", path, "--task", "forecast", *flags, cwd=tmp_path).returncode == 0
    lines = out(charrnn("predict", "run", path, "--steps", "4", cwd=tmp_path))
    assert lines[0] == "x,y"
    assert len(lines) == 5
    assert np.isfinite([float(v) for line in lines[1:] for v in line.split(",")]).all()


def test_files_keep_their_roles(tmp_path: Path) -> None:
    """A run cannot be resumed with its validation file among the training files."""
    a, b = (written(tmp_path, classify_rows(40, seed), f"{seed}.tsv") for seed in (1, 2))
    config = Config.of("classify", **SMALL)
    digests = {
        ClassifyData(paths, config).sha256
        for paths in (Paths((a,), b), Paths((a,), "", b), Paths((a, b)), Paths((b,), a))
    }
    assert len(digests) == 4
    flags = ("--hidden", "8", "--epochs", "1", "--batch-size", "8", "--out", "run", "-q")
    done = charrnn("train", a, "--task", "classify", "--val", b, *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    again = charrnn("train", a, "--resume", "run", cwd=tmp_path)  # with the file noted
    assert again.returncode == 0, again.stderr
    for wrong in ((a, b, "--resume", "run"), (a, "--val", a, "--resume", "run")):
        done = charrnn("train", *wrong, cwd=tmp_path)
        assert done.returncode == 2
        assert b"has changed since this run began" in done.stderr


def test_a_test_file_that_also_validates_is_reported(tmp_path: Path) -> None:
    a, b = (written(tmp_path, classify_rows(40, seed), f"{seed}.tsv") for seed in (1, 2))
    rows = ClassifyData(Paths((a,), b, b), Config.of("classify")).rows
    assert any("40 of the 40 rows that test" in note for note in rows.notes)
    assert rows.method(rows.test, "texts") == "40 texts, 40 of them trained on"
    clean = ClassifyData(Paths((a,)), Config.of("classify")).rows
    assert clean.method(clean.test, "texts") == "4 texts, none of them trained on"


def test_one_text_is_in_one_part_whatever_its_labels(tmp_path: Path) -> None:
    rows = [f"{label}\t{w}\n" for w in words(40) for label in "AB"]
    data = GenerateData(Paths((written(tmp_path, rows),)), Config.of("generate"))
    parts = [{r.right for r in p} for p in (data.rows.train, data.rows.val, data.rows.test)]
    assert not parts[0] & (parts[1] | parts[2])
    assert all(parts)


def test_a_tag_outside_bio_in_a_test_part_is_measured_by_tokens(tmp_path: Path) -> None:
    """It is then measured by tokens, instead of failing after an hour of training."""
    rows = [f"{w}\tB-X\n{w}x\tO\n\n" for w in words(30)]
    train = written(tmp_path, rows, "t.conll")
    val = written(tmp_path, ["ab\tNOUN\ncd\tO\n\n"], "v.conll")
    config = Config.of("tag", **SMALL)
    data = TagData(Paths((train,), val), config)
    assert "1 token has a tag that is not in the training part" in data.notes[0]
    run = run_all(tmp_path / "run", data, config)
    assert run.best is not None


def test_columns_of_a_series_that_do_not_change(tmp_path: Path) -> None:
    """The deviation of a constant is only rounding errors, and must not be divided by."""
    path = written(tmp_path, [f"{k % 5},0.1\n" for k in range(100)], "c.csv")
    spec = ForecastData(Paths((path,)), Config.of("forecast")).spec()
    assert spec.deviation[1] == 1.0
    huge = written(tmp_path, [*(f"{k % 5}\n" for k in range(99)), "1e90\n"], "h.csv")
    with pytest.raises(InputError, match=r"value 100 of column 1 is 1e\+90: .*too far"):
        ForecastData(Paths((huge,)), Config.of("forecast"))


def test_a_translation_does_not_depend_on_its_neighbours(models: Models) -> None:
    """Each text is cut off at its own limit."""
    m = models("translate", epochs=0.2)
    texts = ["a", "abcdefgh" * 5]
    for beam in (1, 3):
        together = translate(m, texts, beam=beam)
        alone = [translate(m, [t], beam=beam)[0] for t in texts]
        assert [t.text for t in together] == [t.text for t in alone]
        assert len(together[0].text) <= m.spec.most(1)


def test_standard_input_is_answered_line_by_line(tmp_path: Path) -> None:
    """A program that waits for each answer gets it."""
    path = written(tmp_path, classify_rows())
    flags = ("--hidden", "8", "--epochs", "1", "--out", "run", "-q")
    assert charrnn("train", path, "--task", "classify", *flags, cwd=tmp_path).returncode == 0
    with subprocess.Popen(
        command("predict", "run"),
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for text in (b"abc\n", b"abcd\n", b"abcde\n"):
            process.stdin.write(text)
            process.stdin.flush()
            assert process.stdout.readline() in (b"odd\n", b"even\n")
        process.stdin.close()
    for arguments, stdin, message in [
        ((), b"", b"there are no texts"),
        (("a", "--beam", "3"), b"", b"--beam is for translate"),
    ]:
        done = charrnn("predict", "run", *arguments, cwd=tmp_path, stdin=stdin)
        assert done.returncode == 2
        assert message in done.stderr


BAD: list[tuple[str, bytes, str]] = [
    ("classify", b"a\tx\nno tab here\nb\ty\n", "row 2"),
    ("classify", b"a\tx\n\ty\n", "row 2"),
    ("classify", b"a\tx\nb\tx\n\xff\ty\n", "line 3"),
    ("tag", b"a\tX\nb\n\n", "row 2"),
    ("translate", b"a\tx\nb\t \n", "row 2"),
    ("generate", b"a\tx\na\tb\tc\n", "row 2"),
    ("forecast", b"x\n1\nnan\n2\n", "row 3"),
    ("forecast", b"x\n1\n2,3\n", "row 3"),
]


@pytest.mark.parametrize(("task", "data", "place"), BAD)
def test_bad_rows_are_reported_on_one_line_with_their_number(
    tmp_path: Path, task: str, data: bytes, place: str
) -> None:
    Path("bad").write_bytes(data)
    done = charrnn("train", "bad", "--task", task, cwd=tmp_path)
    assert done.returncode == 2
    error = done.stderr.decode().splitlines()
    assert error[0].startswith("error: ")
    assert place in error[0]
    assert len(error) <= 2
    assert not Path("checkpoints").exists()


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("lm,directions=both", "must not read what it predicts"),
        ("lm,noise=0.1", "lm has no variant 'noise'"),
        ("generate,directions=both", "must not read what it predicts"),
        ("tag,directions=backward", "choose from forward, both"),
        ("classify,readout=first", "choose from last, mean, max"),
        ("classify,readout=max,readout=last", "given twice"),
        ("tag,noise=much", "noise=much is not a number"),
        ("summarise", "choose from classify, forecast"),
        ("forecast,directions=both", "a forecast must not read what it predicts"),
    ],
)
def test_unknown_variants_of_a_task_are_refused(task: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Config.of(**Config.parse({"task": task}))
    assert "\n" not in str(caught.value)


def test_a_language_model_in_both_directions_is_refused(tmp_path: Path) -> None:
    """The error has the reason, wherever the settings come from."""
    path = written(tmp_path, ["abc\n" * 50])
    done = charrnn("train", path, "--task", "lm,directions=both", cwd=tmp_path)
    assert done.returncode == 2
    assert b"a language model must not read what it predicts" in done.stderr
    with pytest.raises(InputError, match="must not read what it predicts"):
        Config(directions="both")


HOSTILE: list[tuple[str, str, Any]] = [
    ("classify", "labels", "odd"),
    ("classify", "labels", ["odd", "odd"]),
    ("classify", "labels", []),
    ("classify", "alphabet", {"level": "char", "codes": [98, 97]}),
    ("tag", "tags", None),
    ("translate", "longest", 0),
    ("translate", "ratio", "x"),
    ("translate", "longest", 1 << 40),
    ("generate", "longest", -1),
    ("forecast", "mean", [1.0]),
    ("forecast", "deviation", [0.0, 1.0]),
    ("forecast", "columns", [1, 2]),
]


@pytest.mark.parametrize(("task", "name", "value"), HOSTILE)
def test_a_modified_spec_is_refused(tmp_path: Path, task: str, name: str, value: Any) -> None:
    from charrnn.checkpoint import read_checkpoint, write_checkpoint

    data, config = read(tmp_path, task, epochs=0.1)
    run_all(tmp_path / "run", data, config)
    path = tmp_path / "run" / "best.npz"
    header, arrays = read_checkpoint(path)
    header["spec"][name] = value
    write_checkpoint(path, header, arrays)
    with pytest.raises(CheckpointError, match="does not hold a model"):
        load_model(path)


def test_a_generator_reads_line_ends(tmp_path: Path) -> None:
    rows = [f"k\tone {w}\\ntwo\n" for w in words(20)]
    data = GenerateData(Paths((written(tmp_path, rows),)), Config.of("generate"))
    assert data.rows.train[0].right.split("\n")[1] == "two"
