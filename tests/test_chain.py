"""A chain of tags, against the sum over all sequences."""

from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from support import charrnn, fingerprint

from charrnn.nn.cells import GRU
from charrnn.nn.chain import Chain
from charrnn.nn.models import SequenceModel

TAGS = 3
LANE = np.array([0, 0, 0, 1, 2, 2, 2, 2])


def drawn(scale: float = 2.0) -> tuple[Chain, np.ndarray]:
    draw = np.random.default_rng(0)
    W, y = scale * draw.standard_normal((TAGS, TAGS)), scale * draw.standard_normal((8, TAGS))
    return Chain(W, y, LANE), draw.integers(TAGS, size=8)


def by_enumeration(chain: Chain, gold: np.ndarray) -> tuple[float, np.ndarray]:
    """The loss, and the probability of each tag at each token."""
    nats, marginals = 0.0, np.zeros_like(chain.y)
    for lane in range(LANE[-1] + 1):
        own = np.flatnonzero(lane == LANE)
        scores = {
            tags: sum(chain.y[own, list(tags)]) + sum(chain.W[pair] for pair in pairwise(tags))
            for tags in product(range(TAGS), repeat=len(own))
        }
        total = sum(np.exp(score) for score in scores.values())
        nats += np.log(total) - scores[tuple(gold[own].tolist())]
        for tags, score in scores.items():
            marginals[own, list(tags)] += np.exp(score) / total
    return nats, marginals


def test_a_chain_is_a_softmax_over_all_sequences() -> None:
    chain, gold = drawn()
    nats, marginals = by_enumeration(chain, gold)
    assert chain.nats(gold) == pytest.approx(nats, rel=1e-13)
    np.testing.assert_allclose(np.exp(chain.log_marginals), marginals, atol=1e-13)
    dy, dW = chain.gradients(gold)
    step = 1e-30
    for k in np.ndindex(TAGS, TAGS):
        W = chain.W.astype(complex)
        W[k] += 1j * step
        by = Chain(W, chain.y.astype(complex), LANE).nats(gold).imag / step
        assert dW[k] == pytest.approx(by, abs=1e-13)
    np.testing.assert_allclose(dy, marginals - np.eye(TAGS)[gold], atol=1e-13)


def test_large_scores_do_not_overflow() -> None:
    chain, gold = drawn(300.0)
    assert np.isfinite(chain.nats(gold))
    for gradient in chain.gradients(gold):
        assert np.isfinite(gradient).all()
    np.testing.assert_allclose(np.exp(chain.log_marginals).sum(axis=1), 1, rtol=1e-9)


def test_only_tags_can_be_a_chain() -> None:
    with pytest.raises(ValueError, match="only the tags of spans are a chain"):
        SequenceModel(5, 3, GRU(4), readout="max", loss="chain")


def test_a_tagger_learns_from_neighbouring_tags(tmp_path: Path) -> None:
    """Each sentence has the tags a b a b ... or b a b a ..., depending on its first word."""
    draw = np.random.default_rng(3)
    text = ""
    for _ in range(80):
        flip = int(draw.integers(2))
        words = ["xy"[flip], *draw.choice(["p", "q"], int(draw.integers(2, 7)))]
        text += "".join(f"{w}\t{'ab'[(k + flip) % 2]}\n" for k, w in enumerate(words)) + "\n"
    (tmp_path / "rows.conll").write_text(text, encoding="utf-8")
    line = ["rows.conll", "--hidden", "2", "--epochs", "4", "--lr", "1e-4", "--batch-size", "8"]
    found = {}
    for loss in ("chain", "softmax"):
        task = ["--task", f"tag,loss={loss},directions=forward", "--out", loss]
        done = charrnn("train", *line, *task, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        lines = done.stderr.decode().split("\n")
        found[loss] = float(next(x for x in lines if x.startswith("test:")).split()[5])
    assert found["chain"] > 0.98 > found["softmax"]
    again = ["--task", "tag,directions=forward", "--out", "again"]  # it is the default
    assert charrnn("train", *line, *again, cwd=tmp_path).returncode == 0
    assert fingerprint(tmp_path / "again") == fingerprint(tmp_path / "chain")
