"""``loss=sigmoid`` at every token and at every character: note 003's loss over all steps."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import TEXT, TINY, charrnn, corpus_of, text_data

import charrnn as library
from charrnn.errors import InputError
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.sampling import Choice, opening, sample
from charrnn.tasks.base import Paths, TaskScore
from charrnn.tasks.config import Config
from charrnn.tasks.labelled import UNSEEN
from charrnn.tasks.lm import LanguageModelTask
from charrnn.tasks.shares import without_shares
from charrnn.tasks.tag import TagData, TagTask

SENTENCES = [[("ab", "X"), ("c", "Y"), ("de", "Z")], [("c", "Y"), ("ab", "Z")], [("e", "X")]] * 12


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(path: Path, sentences: list[list[tuple[str, str]]]) -> str:
    text = "".join("".join(f"{w}\t{t}\n" for w, t in s) + "\n" for s in sentences)
    path.write_text(text, encoding="utf-8", newline="")
    return str(path)


def plain_loss(y: Array, target: int, loss: str) -> float:
    """The losses of one step by their definitions, in Python's floats."""
    values = [float(v) for v in y]
    if loss == "sigmoid":
        softplus = [max(v, 0) + math.log1p(math.exp(-abs(v))) for v in values]
        return sum(softplus) - values[target]
    top = max(values)
    return top + math.log(sum(math.exp(v - top) for v in values)) - values[target]


def normalised(y: Array) -> Array:
    """σ(y) divided by the sum over all symbols."""
    p = 1 / (1 + np.exp(-np.asarray(y, np.float64)))
    return np.asarray(p / p.sum(axis=-1, keepdims=True))


# Tags


def tagger(folder: Path, loss: str, val: list[list[tuple[str, str]]]) -> tuple[TagData, TagTask]:
    numbered = [[(f"{w}{k}", t) for w, t in s] for k, s in enumerate(SENTENCES)]
    paths = Paths((written(folder / "a.conll", numbered),), val=written(folder / "v.conll", val))
    data = TagData(paths, Config.of("tag", hidden=4, embedding=3, loss=loss))
    spec = without_shares(data.spec())
    return data, data.task(spec, data.config, spec.model(data.config), threads=1)


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_a_tags_largest_logit_decides_and_sets_the_loss(tmp_path: Path, loss: str) -> None:
    """Where σ in float32 is 1 for two tags; a tag that could not be learnt costs 69 nats."""
    held_out = [[("ab", "X"), ("c", "Y"), ("d", "Z")], [("e", "new"), ("e", "Y")]]
    _, task = tagger(tmp_path, loss, held_out)
    weights = task.model.init(np.random.default_rng(0))
    y = np.array([40.0, 41.0, -42.0])
    weights["head.W"][...], weights["head.b"][...] = 0, y
    score = task.validate(weights)
    assert isinstance(score, TaskScore)
    costs = [plain_loss(y, "XYZ".index(t), loss) for t in "XYZY"]
    assert max(costs) > 80
    assert score.loss == pytest.approx((sum(costs) + UNSEEN) / 5, rel=1e-12)
    assert score.measures["token accuracy"] == 2 / 5
    shown = task.preview(weights, np.random.default_rng(0)).decode()
    assert set(shown.split("/")[1:2]) <= {"Y(it is X) c", "Y(it is new) e"}


def test_a_tagger_is_trained_by_a_yes_among_noes(tmp_path: Path) -> None:
    """Its training loss and its validation equal the plain sum over tokens and tags."""
    held_out = SENTENCES[:2]
    data, task = tagger(tmp_path, "sigmoid", held_out)
    assert task.guess == pytest.approx(3 * math.log(2))
    weights = task.model.init(np.random.default_rng(0), np.float64)
    weights.flat *= 3
    rows = np.arange(2)[np.argsort([-len(task.batch(np.array([k]), None)[0].x) for k in (0, 1)])]
    batch, count = task.batch(rows, None)
    outputs = task.model.outputs(weights, batch, _workspace())
    expected = [plain_loss(y, t, "sigmoid") for y, t in zip(outputs, batch.targets, strict=True)]
    assert count == len(expected) == 5
    total = task.engine.losses(weights, batch).total
    assert float(total) == pytest.approx(sum(expected), rel=1e-12)
    score = task.validate(weights)
    assert score is not None
    assert score.loss > 0
    assert len(data.rows.val) == 2


def _workspace() -> Any:
    from charrnn.nn.workspace import Workspace

    return Workspace()


def test_a_tagger_by_sigmoids_from_the_command_line(tmp_path: Path) -> None:
    path = written(tmp_path / "t.conll", [[(f"{w}{k}", t) for w, t in s]
                                         for k, s in enumerate(SENTENCES)])  # fmt: skip
    settings = ("--hidden", "8", "--epochs", "30", "--lr", "0.02", "--threads", "1", "--out", "run")
    done = charrnn("train", path, "--task", "tag,loss=sigmoid", *settings, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "loss sigmoid" in done.stderr.decode()
    done = charrnn("predict", "run", "ab3 c3", "--format", "tsv", cwd=tmp_path)
    rows = [line.split("\t") for line in done.stdout.decode().splitlines()[:2]]
    model = library.load(tmp_path / "run")
    found: Any = model.predict("ab3 c3")[0]
    assert [row[1] for row in rows] == list(found.tags)
    from charrnn.tasks.tag import tag

    best = tag(model, [("ab3", "c3")])[0].max(axis=1)
    np.testing.assert_allclose(found.probabilities, 1 / (1 + np.exp(-best)), rtol=1e-12)
    assert charrnn("gradcheck", "run", cwd=tmp_path).returncode == 0


# Characters


def regression(folder: Path, loss: str = "sigmoid") -> tuple[LanguageModelTask, Parameters]:
    """A language model without layers: row v of W has the logits after symbol v."""
    config = Config.of("lm", layers=0, loss=loss, batch_size=4, seq_len=8)
    data = text_data(corpus_of(folder))
    spec = data.spec()
    task = data.task(spec, config, spec.model(config), 1)
    weights = task.model.init(np.random.default_rng(0), np.float64)
    weights["head.W"][...] = 3 * np.random.default_rng(1).standard_normal(weights["head.W"].shape)
    return task, weights


def test_a_language_model_is_validated_by_both_losses(tmp_path: Path) -> None:
    """By the training loss, note 003's; and by -ln of the normalised probability."""
    task, weights = regression(tmp_path)
    score = task.validate(weights)
    assert score is not None
    ids, start = task.ids, task.split
    rows = weights["head.W"][ids[start - 1 : -1]] + weights["head.b"]
    own = np.mean(
        [plain_loss(y, int(t), "sigmoid") for y, t in zip(rows, ids[start:], strict=True)]
    )
    nats = -np.log(normalised(rows)[np.arange(len(rows)), ids[start:]]).mean()
    assert score.loss == score.error == pytest.approx(own, rel=1e-12)
    assert score.nats == pytest.approx(nats, rel=1e-12)
    assert score.numbers == {"nats": score.nats, "bits": score.bits, "loss": score.loss}
    assert "training loss" in score.text
    assert task.guess == pytest.approx(len(task.vocabulary or ()) * math.log(2))


def test_a_language_model_learns_by_the_plain_loss(tmp_path: Path) -> None:
    task, weights = regression(tmp_path)
    gradients = weights.zeros_like()
    total, count = task.gradients(weights, gradients, 0, None)
    x, targets = task.lanes.chunk(0)
    y = weights["head.W"][x] + weights["head.b"]
    pairs = zip(y.reshape(-1, y.shape[-1]), targets.ravel(), strict=True)
    assert count == x.size
    assert total == pytest.approx(
        sum(plain_loss(v, int(t), "sigmoid") for v, t in pairs), rel=1e-12
    )
    dy = 1 / (1 + np.exp(-y)) - np.eye(y.shape[-1])[targets]
    np.testing.assert_allclose(gradients["head.b"], dy.sum(axis=(0, 1)), rtol=1e-10)


def drawn(task: LanguageModelTask, weights: Parameters, symbol: int, how: Choice) -> Counter[int]:
    prime = np.full((1, 4000), symbol)
    (symbols,) = sample(task.model, weights, prime, 1, np.random.default_rng(0), how)
    return Counter(symbols.tolist())


def test_characters_are_drawn_by_their_sigmoids_over_the_sum(tmp_path: Path) -> None:
    """And not by the softmax of the same outputs, which is another distribution."""
    task, weights = regression(tmp_path)
    y = weights["head.W"][2] + weights["head.b"]
    q, size = normalised(y), len(y)
    softmax = np.exp(y - y.max()) / np.exp(y - y.max()).sum()
    found = drawn(task, weights, 2, Choice())
    shares = np.array([found[k] for k in range(size)]) / 4000
    assert np.abs(shares - q).max() < 0.03
    assert np.abs(shares - softmax).max() > 0.1
    assert set(drawn(task, weights, 2, Choice(temperature=0))) == {int(y.argmax())}
    assert set(drawn(task, weights, 2, Choice(top_k=3))) == set(np.argsort(-y)[:3].tolist())
    cold = q**2 / (q**2).sum()
    found = drawn(task, weights, 2, Choice(temperature=0.5))
    assert np.abs(np.array([found[k] for k in range(size)]) / 4000 - cold).max() < 0.03
    assert all(np.isfinite(h).all() for layer in opening(task.model, weights, 0) for h in layer)


@pytest.mark.parametrize("head", ["free", "tied"])
def test_a_language_model_by_sigmoids_from_the_command_line(tmp_path: Path, head: str) -> None:
    """`eval` and the library report -ln σ(y)/Σσ(y) of these outputs."""
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8", newline="")
    task = ("--task", f"lm,loss=sigmoid,head={head}", "--threads", "1", "--out", "run")
    done = charrnn("train", "a.txt", *task, *TINY, "--epochs", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "training loss" in done.stderr.decode()
    done = charrnn("eval", "run", "--json", cwd=tmp_path)
    report = json.loads(done.stdout)
    carried = report["network"]["state carried"]["nats"]
    model = library.load(tmp_path / "run")
    ids = model.vocabulary.encode_text(TEXT, "the text")
    count = report["scored"]
    state = model.network.zero_state(1)
    at = np.arange(len(ids) - count - 1, len(ids) - 1)
    warm = ids[max(0, at[0] - 256) : at[0]]
    if len(warm):
        _, state, _ = model.network.forward(model.parameters, warm[:, None].astype(np.intp), state)
    y, _, _ = model.network.forward(model.parameters, ids[at][:, None].astype(np.intp), state)
    q = normalised(y[:, 0])
    nats = -np.log(q[np.arange(count), ids[at + 1]]).mean()
    assert carried == pytest.approx(nats, abs=2e-5)
    bits = model.score(TEXT[:50]).total / 50
    assert 0 < bits < 2 * math.log(len(model.vocabulary))
    done = charrnn("sample", "run", "-l", "20", "--seed", "1", cwd=tmp_path)
    assert len(done.stdout.decode()) == 21
    assert charrnn("gradcheck", "run", cwd=tmp_path).returncode == 0


def test_a_labelled_text_has_one_loss(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="generate has no variant 'loss'"):
        Config.parse({"task": "generate,loss=sigmoid"})
