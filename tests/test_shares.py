"""How much the map of n-grams and the recurrence each add to a classifier's outputs."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import charrnn, fingerprint, metrics, run_until

from charrnn.checkpoint import read_checkpoint, write_checkpoint
from charrnn.errors import CheckpointError
from charrnn.nn.chain import Chain
from charrnn.nn.losses import LOSSES
from charrnn.nn.types import Array
from charrnn.nn.wide import Features
from charrnn.runs.folder import RunFolder
from charrnn.runs.model import load_model
from charrnn.tasks import wide
from charrnn.tasks.base import Paths
from charrnn.tasks.classify import ClassifyData, classify
from charrnn.tasks.config import Config
from charrnn.tasks.shares import (
    HALVES,
    MOST,
    best_shares,
    of_chain,
    of_targets,
    settled,
    without_shares,
)
from charrnn.tasks.tag import TagData
from charrnn.tasks.wide import features_of, mapped
from charrnn.training.events import Settled
from charrnn.training.run import Run
from charrnn.training.watch import LossWatch

SMALL: dict[str, Any] = {"hidden": 6, "batch_size": 8, "epochs": 4.0, "noise": 0.0}


def rows(count: int = 160) -> list[str]:
    """The label says whether there is an x, or is wrong: so no answer is sure."""
    draw = np.random.default_rng(0)
    found = []
    for number in range(count):
        word = "".join(draw.choice(list("abcdefx"), 5, p=[0.15] * 6 + [0.1]))
        right = ("x" in word) is bool(draw.random() < 0.85)
        found.append(f"{number} {word}\t{'yes' if right else 'no'}\n")
    return found


def begun(folder: Path, lines: Sequence[str] = (), **settings: Any) -> Run:
    (folder.parent / "rows.tsv").write_text("".join(lines or rows()), encoding="utf-8")
    config = Config.of("classify", **{**SMALL, **settings})
    data = ClassifyData(Paths((str(folder.parent / "rows.tsv"),)), config)
    return Run.begin(config, data, RunFolder(folder, resume=False))


def finished(folder: Path, **settings: Any) -> Any:
    run = begun(folder, **settings)
    for _ in run:
        pass
    run.close()
    return run


def two_experts(loss: str, count: int = 400) -> tuple[Array, Array, Array]:
    """Outputs of two that each see the truth through noise, and the truth."""
    draw = np.random.default_rng(3)
    truth = draw.standard_normal((count, 3))
    one, other = (truth + scale * draw.standard_normal(truth.shape) for scale in (0.5, 1.5))
    if loss == "softmax":
        noisy = truth + draw.gumbel(size=truth.shape)
        return one, other, noisy.argmax(axis=1)
    return one, other, (truth + draw.logistic(size=truth.shape) > 0).astype(np.float64)


def objective(at: Array, outputs: Array, targets: Array, loss: str) -> float:
    y = np.tensordot(at, outputs, 1)
    return float(LOSSES[loss](y, targets)) + float(((at - 0.5) ** 2).sum()) / 2


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_the_shares_minimise_the_loss(loss: str) -> None:
    one, other, targets = two_experts(loss)
    outputs = np.stack([one, other])
    a, b = best_shares(of_targets(outputs, targets, loss))
    assert a > 3 * b > 0  # who sees more has the larger share
    least = objective(np.array([a, b]), outputs, targets, loss)
    for da in (-1e-3, 0, 1e-3):
        for db in (-1e-3, 0, 1e-3):
            assert objective(np.array([a + da, b + db]), outputs, targets, loss) >= least
    swapped = best_shares(of_targets(outputs[::-1], targets, loss))
    assert swapped == pytest.approx((b, a), abs=1e-5)


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_whoever_is_always_wrong_has_no_share(loss: str) -> None:
    one, other, targets = two_experts(loss)
    outputs = np.stack([one, -other])
    a, b = best_shares(of_targets(outputs, targets, loss))
    assert a > 0.5
    assert b == 0
    swapped = best_shares(of_targets(outputs[::-1], targets, loss))
    assert swapped == pytest.approx((0, a), abs=1e-5)


@pytest.mark.parametrize("scale", [1, 0.1])
@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_shares_of_many_are_the_best_within_their_limits(loss: str, scale: float) -> None:
    """Some useless, some alike, so that Newton's steps would often lead out of their limits."""
    draw = np.random.default_rng(5)
    one, other, targets = two_experts(loss)
    at_a_limit = 0
    for difference in (0, 1e-8, 1e-7, 1e-5) * 5:
        mixed = [a * one + b * other for a, b in draw.standard_normal((3, 2))]
        alike = mixed[0] + difference * draw.standard_normal(one.shape)
        outputs = scale * np.stack([*mixed, alike, draw.standard_normal(one.shape)])
        found = of_targets(outputs, targets, loss)
        at = best_shares(found, 5)
        slope = found(at)[1] + at - 1 / 5
        inside = (at > 0) & (at < MOST)
        at_a_limit += int((~inside).sum())
        assert np.abs(slope[inside]).max(initial=0) < 0.01
        assert (slope[at == 0] > -0.01).all()
        assert (slope[at == MOST] < 0.01).all()
    assert at_a_limit > 20


def test_the_chain_is_a_part_of_the_map() -> None:
    draw = np.random.default_rng(4)
    lane, W = np.repeat(np.arange(60), 5), draw.standard_normal((3, 3))
    one, other = draw.standard_normal((2, 300, 3))
    gold = Chain(W, one + 0.5 * other, lane).log_marginals.argmax(axis=1)
    chains = np.stack([W, np.zeros_like(W)])
    a, b = best_shares(of_chain(np.stack([one, other]), chains, lane, gold))
    assert a > b > 0

    def least(a: float, b: float) -> float:
        total = Chain(a * W, a * one + b * other, lane).nats(gold)
        return float(total + ((a - 0.5) ** 2 + (b - 0.5) ** 2) / 2)

    for da, db in ((1e-3, 0), (-1e-3, 0), (0, 1e-3), (0, -1e-3)):
        assert least(a + da, b + db) >= least(a, b)


def test_a_share_at_its_upper_limit_does_not_stop_the_others() -> None:
    """Newton's step would take it further, which once ended the search."""
    draw = np.random.default_rng(23)
    truth = draw.standard_normal((300, 3))
    targets = (truth + 0.5 * draw.gumbel(size=truth.shape)).argmax(axis=1)
    parts = np.stack([truth, *draw.standard_normal((2, 300, 3))])
    mixed = np.tensordot(draw.uniform(-0.3, 1.5, (4, 3)), parts, 1)
    found = of_targets(mixed + 0.05 * draw.standard_normal((4, 300, 3)), targets, "softmax")
    at = best_shares(found, 4)
    slope = found(at)[1] + at - 1 / 4
    assert MOST in at
    assert np.abs(slope[(at > 0) & (at < MOST)]).max() < 0.01


def test_the_recurrence_has_no_chain(tmp_path: Path) -> None:
    """Its outputs are added to the map's, whose share the chain has."""
    lines = [f"a{k}\tx\nb{k % 3}\t{'xy'[k % 2]}\n\n" for k in range(60)]
    (tmp_path / "rows.conll").write_text("".join(lines), encoding="utf-8")
    config = Config.of("tag", **SMALL)
    data = TagData(Paths((str(tmp_path / "rows.conll"),)), config)
    spec = data.spec()
    task: Any = data.task(spec, config, spec.model(config), 1)
    parameters = task.model.init(np.random.default_rng(0))
    for name in ("wide.W", "chain.W", "head.W"):
        parameters[name][...] = np.random.default_rng(1).standard_normal(parameters[name].shape)
    rows = data.rows.val
    both = np.stack(
        [
            mapped(parameters["wide.W"], task.hashes(rows)),
            task.outputs(parameters, rows, alone=True),
        ]
    )
    count, objective = task.objective(parameters, rows, both)
    lane = np.repeat(np.arange(len(rows)), [len(row.tokens) for row in rows])
    gold = np.array([task.spec.tags.index(name) for row in rows for name in row.tags])
    assert count == len(gold) > 0
    for a, b in ((0.3, 0.7), (0.0, 1.0), (1.0, 0.0)):
        chain = Chain(a * parameters["chain.W"], a * both[0] + b * both[1], lane)
        total, _ = objective(np.array([a, b]))
        assert total == pytest.approx(float(chain.nats(gold)), rel=1e-6)


def test_few_rows_decide_little() -> None:
    targets = np.arange(400) % 3
    right = 0.1 * np.eye(3)[targets]  # never wrong, and could be surer
    outputs = np.stack([right, 0 * right])

    def shares(count: int) -> Array:
        return best_shares(of_targets(outputs[:, :count], targets[:count], "softmax"))

    assert shares(400).tolist() == [MOST, 0.5]
    a, b = shares(4)
    assert 0.5 < a < 1
    assert b == 0.5
    assert tuple(shares(0)) == HALVES


def test_the_network_learns_as_if_there_were_no_map(tmp_path: Path) -> None:
    run: Any = begun(tmp_path / "run")
    assert run.spec.shares == HALVES
    parameters = run.trainer.parameters
    draw = np.random.default_rng(0)
    parameters["head.W"][...] = draw.standard_normal(parameters["head.W"].shape)
    found: list[Any] = []
    for scale in (1, 100):
        parameters["wide.W"][...] *= scale
        gradients = parameters.zeros_like()
        found.append(run.task.gradients(parameters, gradients, 0, None))
        assert not gradients["wide.W"].any()
        found.append(gradients["head.W"].copy())
    assert found[0] == found[2]
    np.testing.assert_array_equal(found[1], found[3])
    run.close()


def test_a_saved_model_is_the_sum_in_its_shares(tmp_path: Path) -> None:
    run = finished(tmp_path / "run")
    path = tmp_path / "run" / "best.npz"
    training, model = load_model(path, exactly=True), load_model(path)
    spec: Any = training.spec
    a, b = spec.shares
    assert (a, b) != HALVES
    assert model.spec == without_shares(training.spec)
    for name, share in (("wide.W", a), ("head.W", b), ("head.b", b), ("body.0.back.W_x", 1)):
        expected = training.parameters[name] * np.float32(share)
        np.testing.assert_array_equal(model.parameters[name], expected)
    texts = [row.left for row in run.data.rows.val]
    alone = training.parameters.astype(np.float32)
    alone["wide.W"][...] = 0
    of_network = classify(replace(training, parameters=alone), texts)
    alone = training.parameters.astype(np.float32)
    alone["head.W"][...], alone["head.b"][...] = 0, 0
    of_map = classify(replace(training, parameters=alone), texts)
    y = classify(model, texts)
    np.testing.assert_allclose(y, a * of_map + b * of_network, atol=1e-5)
    right = np.array([row.right == model.spec.labels[1] for row in run.data.rows.val])
    scored = [one for one in metrics(tmp_path / "run") if one["event"] == "validation"]
    best = min(scored, key=lambda one: one["loss"])
    assert ((y[:, 1] > y[:, 0]) == right).mean() == best["accuracy"]
    again = tmp_path / "again.npz"
    model.save(again)  # multiplied once
    np.testing.assert_array_equal(load_model(again).parameters.flat, model.parameters.flat)
    assert load_model(again).spec == model.spec


@pytest.mark.parametrize("loss", ["chain", "softmax", "sigmoid"])
def test_a_saved_tagger_is_as_good_as_its_best_validation(tmp_path: Path, loss: str) -> None:
    draw = np.random.default_rng(0)
    lines = []
    for _ in range(120):
        words = ["".join(draw.choice(list("abc"), 3)) for _ in range(4)]
        tags = [word[0] if draw.random() < 0.8 else "b" for word in words]
        lines.append("".join(f"{w}\t{t}\n" for w, t in zip(words, tags, strict=True)) + "\n")
    (tmp_path / "rows.conll").write_text("".join(lines), encoding="utf-8")
    config = Config.of("tag", **{**SMALL, "loss": loss, "dropout": 0.0, "epochs": 8.0, "lr": 0.02})
    data = TagData(Paths((str(tmp_path / "rows.conll"),)), config)
    run: Any = Run.begin(config, data, RunFolder(tmp_path / "run", resume=False))
    gradients = run.trainer.parameters.zeros_like()
    gradients.flat[...] = 1
    nats, count = run.task.gradients(run.trainer.parameters, gradients, 0, None)
    if loss != "sigmoid":  # its head begins at zero, so every tag is as likely
        assert nats == pytest.approx(count * np.log(len(run.spec.tags)))
    assert not any(gradients[name].any() for name in {"wide.W", "chain.W"} & set(gradients))
    for _ in run:
        pass
    model = load_model(tmp_path / "run" / "best.npz")
    a, b = load_model(tmp_path / "run" / "best.npz", exactly=True).spec.shares
    assert a > 0
    assert b > 0
    score: Any = data.task(model.spec, config, model.network, 1).validate(model.parameters)
    scored = [one for one in metrics(tmp_path / "run") if one["event"] == "validation"]
    assert score.loss == pytest.approx(min(one["loss"] for one in scored), abs=1e-6)
    if loss == "chain":
        last = load_model(tmp_path / "run" / "last.npz", exactly=True)
        share = np.float32(a)
        np.testing.assert_array_equal(
            model.parameters["chain.W"], share * last.parameters["chain.W"]
        )
    run.close()


def test_a_run_that_saved_nothing_yet_has_half_of_both(tmp_path: Path) -> None:
    run: Any = begun(tmp_path / "run")
    run.trainer.parameters["head.b"][...] = 3, 1
    model = run.model
    assert model.spec.shares is None
    assert model.parameters["head.b"].tolist() == [1.5, 0.5]
    assert run.trainer.parameters["head.b"].tolist() == [3, 1]
    run.close()


def test_members_are_averaged_in_their_shares(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", members=2)
    model = load_model(tmp_path / "run" / "best.npz")
    assert (model.members, model.spec.shares) == (2, None)
    assert "shares" not in model.header["spec"]
    texts = [row.left for row in run.data.rows.val]
    each = [classify(model.member(k), texts) for k in (1, 2)]
    mean = np.mean([np.exp(y) / np.exp(y).sum(axis=1, keepdims=True) for y in each], axis=0)
    np.testing.assert_allclose(np.exp(classify(model, texts)), mean, atol=1e-5)
    right = np.array([row.right == model.spec.labels[1] for row in run.data.rows.val])
    logged = [one for one in metrics(tmp_path / "run") if one["event"] == "averaged"]
    nats = -np.log(np.where(right, mean[:, 1], mean[:, 0])).mean()
    assert logged[-1]["loss"] == pytest.approx(nats, abs=1e-5)
    outcome = run.report()
    assert outcome is not None
    tested = np.exp(classify(model, [row.left for row in run.data.rows.test]))
    gold = np.array([row.right == model.spec.labels[1] for row in run.data.rows.test])
    nats = -np.log(np.where(gold, tested[:, 1], tested[:, 0])).mean()
    assert outcome.score.loss == pytest.approx(nats, abs=1e-5)


@pytest.mark.parametrize("members", [1, 2])
def test_a_run_in_shares_resumes_exactly(tmp_path: Path, members: int) -> None:
    whole = finished(tmp_path / "whole", members=members)
    run_until(begun(tmp_path / "broken", members=members), 40)
    folder = RunFolder(tmp_path / "broken", resume=True)
    saved, _ = folder.load_last()
    assert saved.spec.shares not in (None, HALVES)
    for _ in Run.resume(saved, whole.data, folder):
        pass
    assert fingerprint(tmp_path / "broken") == fingerprint(tmp_path / "whole")
    assert metrics(tmp_path / "broken")[-1] == metrics(tmp_path / "whole")[-1]


def test_the_best_weights_continue_as_they_were(tmp_path: Path) -> None:
    """Out of patience, a run returns to them, and not to what their shares make of them."""
    run = begun(tmp_path / "run", epochs=60.0, patience=2, lr=0.05, eval_every=5)
    for event in run:
        if isinstance(event, Settled):
            best = load_model(tmp_path / "run" / "best.npz", exactly=True)
            assert best.spec.shares != (1, 1)
            np.testing.assert_array_equal(run.trainer.parameters.flat, best.parameters.flat)
            break
    else:
        pytest.fail("it never ran out of patience")
    run.close()


def test_a_run_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    """Its network learnt the errors of the map; its files do not speak of shares."""
    finished(tmp_path / "run", epochs=1.0)
    last = tmp_path / "run" / "last.npz"
    header, arrays = read_checkpoint(last)
    del header["spec"]["shares"]
    write_checkpoint(last, header, arrays)
    done = charrnn("train", "--resume", "run", "--epochs", "3", cwd=tmp_path)
    assert done.returncode == 2
    assert b"an earlier version began this run" in done.stderr
    assert b"--init-from run" in done.stderr


def test_an_earlier_run_whose_map_learnt_too_is_continued(tmp_path: Path) -> None:
    """It began with another run's weights; its map was fitted to other rows, and has no shares."""
    first = finished(tmp_path / "first", epochs=1.0)
    model = load_model(tmp_path / "first" / "best.npz")
    config, folder = Config.of("classify", **SMALL), RunFolder(tmp_path / "run", resume=False)
    run_until(Run.begin(config, first.data, folder, model))
    last = tmp_path / "run" / "last.npz"
    header, arrays = read_checkpoint(last)
    assert "fitted" not in header["spec"]
    header["spec"]["fitted"] = "0a"  # as earlier versions noted
    write_checkpoint(last, header, arrays)
    done = charrnn("train", "--resume", "run", "--epochs", "5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


class Broken:
    """A network whose outputs are what a test wants."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, parameters: Any, rows: Any, *, alone: bool = False) -> Array:
        return np.full((len(rows), 2), self.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
def test_outputs_without_sense_leave_the_shares(tmp_path: Path, value: float) -> None:
    run: Any = begun(tmp_path / "run")
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(run.task, "outputs", Broken(value))
        run.task.validate(run.trainer.parameters)
    assert all(np.isfinite(run.spec.shares))
    run.close()


def test_shares_of_huge_outputs_are_finite() -> None:
    draw = np.random.default_rng(0)
    targets = np.arange(50) % 3
    for scale in (1e10, 1e30, 1e150):
        outputs = draw.standard_normal((2, 50, 3)) * np.array([1, scale])[:, None, None]
        with np.errstate(all="ignore"):
            shares = best_shares(of_targets(outputs, targets, "softmax"))
        assert all(0 <= share <= MOST for share in shares)


def test_what_trains_is_watched_and_not_the_sum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share of zero would hide that the recurrence has gone astray."""
    seen: list[float] = []

    def noted(watch: LossWatch, loss: float, train: float) -> bool:
        seen.append(loss)
        return False

    monkeypatch.setattr(LossWatch, "validation_diverged", noted)
    run: Any = finished(tmp_path / "run")
    now, rows = run.trainer.parameters, run.data.rows.val
    y = run.task.outputs(now, rows, alone=True)
    gold = np.array([run.spec.labels.index(row.right) for row in rows])
    nats = LOSSES["softmax"](y, gold) / len(rows)
    assert seen[-1] == pytest.approx(nats)
    assert seen[-1] != pytest.approx(metrics(tmp_path / "run")[-1].get("loss", 0), abs=1e-3)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_weight_decay_leaves_the_map(tmp_path: Path, optimizer: str) -> None:
    run: Any = begun(tmp_path / "run", weight_decay=0.5, optimizer=optimizer)
    before = run.trainer.parameters.astype(np.float32)
    for _ in run:
        pass
    after = run.trainer.parameters
    np.testing.assert_array_equal(after["wide.W"], before["wide.W"])
    assert np.abs(after["embedding.W"] - before["embedding.W"]).max() > 0
    run.close()


def test_a_state_includes_the_shares(tmp_path: Path) -> None:
    run: Any = finished(tmp_path / "run")
    arrays = run.task.arrays()
    assert tuple(arrays["shares"]) == run.spec.shares != HALVES
    again: Any = begun(tmp_path / "again")
    again.task.restore(arrays)
    assert again.spec.shares == run.spec.shares
    with pytest.raises(KeyError):
        again.task.restore({})
    again.close()


def test_the_map_of_many_targets_is_that_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    hashes = [draw.integers(1 << 40, size=n % 7 + 1, dtype=np.uint64) for n in range(20)]
    W = draw.standard_normal((64, 3)).astype(np.float32)
    each = np.concatenate([mapped(W, [own]) for own in hashes])
    sizes: list[int] = []

    def counted(own: Sequence[Array], size: int) -> Features:
        sizes.append(sum(map(len, own)))
        return features_of(own, size)

    monkeypatch.setattr(wide, "features_of", counted)
    for at_once in (1, 6, 20, 50):
        sizes.clear()
        monkeypatch.setattr(wide, "AT_ONCE", at_once)
        np.testing.assert_allclose(mapped(W, iter(hashes)), each, atol=1e-6)
        assert max(sizes) < max(1, at_once // 3) + 7  # products of three outputs; a target has 7
    assert mapped(W, []).shape == (0, 3)


def test_the_advice_speaks_of_the_loss_that_chose(tmp_path: Path) -> None:
    (tmp_path / "rows.tsv").write_text("".join(rows()), encoding="utf-8")
    line = ["--hidden", "6", "--epochs", "4", "--batch-size", "8", "--lr", "0", "--out", "run"]
    done = charrnn("train", "rows.tsv", "--task", "classify", *line, cwd=tmp_path)
    said = done.stderr.decode()
    assert "at step 0" in said
    assert "validation error" not in said
    shown = charrnn("inspect", "run/last.npz", cwd=tmp_path).stdout.decode()
    assert "validated at step 0" in shown


def test_settled_changes_nothing_without_shares(tmp_path: Path) -> None:
    run: Any = begun(tmp_path / "run")
    spec, parameters = without_shares(run.spec), run.trainer.parameters
    assert settled(spec, parameters) == (spec, parameters)
    run.close()


def test_several_labels_have_shares_too(tmp_path: Path) -> None:
    lines = [
        f"{k} {'xy'[: k % 3]}b{'z' * (k % 2)}\t{'|'.join(['x', 'y'][: k % 3])}\n"
        for k in range(120)
    ]
    run = begun(tmp_path / "run", lines, loss="sigmoid")
    for _ in run:
        pass
    assert load_model(tmp_path / "run" / "best.npz", exactly=True).spec.shares != HALVES
    run.close()


@pytest.mark.parametrize(
    "wrong", [[0.5], [0.5, "1"], [0.5, -0.1], [0.5, MOST + 1], "ab", [1, True]]
)
def test_damaged_shares_are_refused(tmp_path: Path, wrong: Any) -> None:
    finished(tmp_path / "run", epochs=1.0)
    path = tmp_path / "run" / "best.npz"
    header, arrays = read_checkpoint(path)
    header["spec"]["shares"] = wrong
    write_checkpoint(path, header, arrays)
    with pytest.raises(CheckpointError, match="share"):
        load_model(path)
    done = charrnn("predict", "run", "0 abc", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"share" in done.stderr
