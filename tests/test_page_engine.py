"""The page's JavaScript computes what the Python code does: every cell, level, head and choice."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_models import (
    GREEDY,
    KNOWN,
    answers,
    drawn_model,
    greedy,
    labelled_model,
    needs_node,
    write_pages,
)
from support import ROOT

import charrnn as library
from charrnn.nn.cells.names import CELLS, all_variants
from charrnn.nn.types import Array
from charrnn.page.weights import packed, scales
from charrnn.runs.model import Model
from charrnn.tasks.lm import opening_of
from charrnn.text.alphabet import END, START, UNKNOWN
from charrnn.text.corpora import read_corpus
from charrnn.text.vocab import codes_of

pytestmark = needs_node

VARIANTS = [cell.label for kind in CELLS.values() for cell in all_variants(kind, 8)]
BEGINS = "a bc"
LENGTH = 500


def text_of(count: int, seed: int = 3) -> str:
    return "".join(np.random.default_rng(seed).choice(list(KNOWN), count))


def models(folder: Path) -> dict[str, Model]:
    """Every cell, and every way to read and write symbols."""
    settings: dict[str, dict[str, Any]] = {cell: {"cell": cell} for cell in VARIANTS}
    settings |= {
        "bytes": {"level": "byte", "cell": "gru"},
        "stack": {"layers": 3, "cell": "lstm"},
        "embedding": {"embedding": 7, "cell": "gru", "layers": 2},
        "tied head": {"head": "tied", "cell": "lstm", "layers": 2},
        "no layers": {"layers": 0},
        "no layers, embedding": {"layers": 0, "embedding": 5},
        "bytes, tied head": {"level": "byte", "head": "tied", "cell": "rnn"},
        "average of three": {"cell": "lstm", "layers": 2, "embedding": 5, "members": 3},
        "average of two, bytes": {"cell": "gru", "level": "byte", "members": 2},
        "average, no layers": {"layers": 0, "members": 2},
        "odd sizes": {"hidden": 13, "cell": "lstm,gates=cell,output=identity", "layers": 2},
    }
    return {name: drawn_model(folder / "m.npz", **given) for name, given in settings.items()}


def symbols(model: Model, text: str) -> list[int]:
    found: list[int] = model.vocabulary.encode(codes_of(text, model.vocabulary.level)).tolist()
    return found


def looked_at(model: Model, text: str) -> dict[str, Any]:
    return {"type": "look", "symbols": symbols(model, text)}


def test_there_are_twenty_cells() -> None:
    assert len(set(VARIANTS)) == 20


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("float32", 1e-4), ("float24", 1e-3), ("int16", 5e-3)]
)
def test_log_probabilities_and_greedy_text(
    tmp_path: Path, precision: str, tolerance: float
) -> None:
    made = models(tmp_path)
    pages = write_pages(tmp_path, made, precision)
    text = text_of(LENGTH)
    wanted = [
        (path, [looked_at(model, text), greedy(symbols(model, BEGINS), 300), greedy([], 100)])
        for path, model in zip(pages, made.values(), strict=True)
    ]
    for (name, model), (look, go_on, begin) in zip(made.items(), answers(wanted), strict=True):
        score = model.score(text)
        assert len(score.nats) >= LENGTH
        assert np.max(score.nats) > 1, name  # a model that knows nothing would be easy to copy
        np.testing.assert_allclose(look["nats"], score.nats, rtol=0, atol=tolerance, err_msg=name)
        if precision == "float32":
            for answer, prime, length in ((go_on, BEGINS, 300), (begin, "", 100)):
                expected = model.sample(prime, length=length, temperature=0.0)[len(prime) :]
                written = model.vocabulary.decode(np.array(answer["symbols"]))
                assert written.decode("utf-8", "replace") == expected, name


PRECISE = [("float24", 5e-4), ("int16", 5e-3)]


@pytest.mark.parametrize(("precision", "tolerance"), PRECISE)
def test_a_trained_model_keeps_its_log_probabilities(
    tmp_path: Path, precision: str, tolerance: float
) -> None:
    """On 500 validation characters, on other English, and on its own text."""
    model = library.load(ROOT / "checkpoints" / "pydoc.npz")
    (page,) = write_pages(tmp_path, {"m": model}, precision)
    texts = ["".join(map(chr, read_corpus([]).codes[-LENGTH:]))]
    texts += [model.sample("", length=LENGTH, temperature=t, seed=1) for t in (0.5, 0.8, 1.0)]
    if precision == "float24":
        readme = (ROOT / "checkpoints" / "README.md").read_text(encoding="utf-8")
        texts += [readme.replace("`", "'")[:LENGTH]]
    assert not model.vocabulary.unknown(codes_of("".join(texts), "char"))
    (found,) = answers([(page, [looked_at(model, text) for text in texts])])
    for text, answer in zip(texts, found, strict=True):
        nats = model.score(text).nats
        assert len(nats) == LENGTH
        np.testing.assert_allclose(answer["nats"], nats, rtol=0, atol=tolerance)


CHOICES: list[dict[str, Any]] = [
    {"temperature": 0.8},
    {"temperature": 1.3, "top_k": 4},
    {"temperature": 1.0, "top_p": 0.7},
    {"temperature": 0.9, "top_k": 9, "top_p": 0.9},
]
SEEDS = [0, 1, 2**32 + 5, 2**127 + 11, 2**200 + 3]


def test_the_same_seed_writes_the_same_text(tmp_path: Path) -> None:
    model = drawn_model(tmp_path / "m.npz", cell="gru")
    (page,) = write_pages(tmp_path, {"m": model}, "float32")
    messages, expected = [], []
    for choice in CHOICES:
        for seed in SEEDS:
            how = {"temperature": choice["temperature"], "minP": 0}
            how |= {"topK": choice.get("top_k", 0), "topP": choice.get("top_p", 1)}
            begin = symbols(model, BEGINS)
            messages.append(greedy(begin, 120) | {"how": how, "seed": str(seed)})
            text = model.sample(BEGINS, seed=seed, length=120, **choice)
            expected.append(symbols(model, text)[len(begin) :])
    (found,) = answers([(page, messages)])
    assert [answer["symbols"] for answer in found] == expected


def test_min_p(tmp_path: Path) -> None:
    """At least that part of the likeliest one's probability: with 1, the likeliest alone."""
    model = drawn_model(tmp_path / "m.npz", cell="gru")
    (page,) = write_pages(tmp_path, {"m": model}, "float32")
    begin = symbols(model, BEGINS)
    how = {"temperature": 1.5, "topK": 0, "topP": 1, "minP": 0.3}
    some = greedy(begin, 300) | {"how": how}
    one = greedy(begin, 300) | {"how": how | {"minP": 1}}
    (found,) = answers([(page, [some, one, greedy(begin, 300)])])
    least, likeliest, greedily = found
    assert likeliest["symbols"] == greedily["symbols"] != least["symbols"]
    chances = np.array(least["chances"])
    own = np.exp(-np.array(least["nats"]))
    # Of what the temperature makes of the probabilities.
    assert np.all((own / chances[:, 0]) ** (1 / 1.5) > 0.3 - 1e-6)


def growing(path: Path, cell: str) -> Model:
    """A model whose state grows steadily, so that rounding makes no difference."""
    model = drawn_model(path, cell=cell)
    w, size = model.parameters.scope("body.0"), model.config.hidden
    w["W_h"][...] = 0
    if cell.startswith("rnn"):
        w["W_h"][...] = 1.03 * np.eye(size)
        w["b"][...] = 0.3
    else:
        w["b"][...] = np.repeat([2.0, 8.0, 2.0, 1.0], size)
    model.parameters["head.W"][...] /= 300
    return model


@pytest.mark.parametrize("cell", ["rnn,activation=relu", "lstm,output=identity"])
def test_a_state_that_runs_away_is_reset(tmp_path: Path, cell: str) -> None:
    """Where training, scoring and writing would reset it, and nowhere else."""
    model = growing(tmp_path / "m.npz", cell)
    (page,) = write_pages(tmp_path, {"m": model}, "float32")
    text = text_of(400)
    begins = [text[:count] for count in (1, 64, 65, 66, 130)]
    messages = [looked_at(model, text), *(greedy(symbols(model, b), 200) for b in begins)]
    (found,) = answers([(page, messages)])
    first = np.array([symbols(model, text[:64])]).T
    _, ((h, *_),), _ = model.network.forward(model.parameters, first, model.network.zero_state(1))
    assert float(np.abs(h).max()) > 20
    np.testing.assert_allclose(found[0]["nats"], model.score(text).nats, rtol=0, atol=1e-4)
    for begin, answer in zip(begins, found[1:], strict=True):
        expected = model.sample(begin, length=200, temperature=0)[len(begin) :]
        assert answer["symbols"] == symbols(model, expected), len(begin)


def test_the_step_shown_of_an_average_is_the_first_networks(tmp_path: Path) -> None:
    """So are the units; the prediction after it is that of the average."""
    model = drawn_model(tmp_path / "m.npz", cell="lstm", layers=2, members=3)
    pages = write_pages(tmp_path, {"m": model, "first": model.member(1)}, "float32")
    text = symbols(model, text_of(20))
    unit = {"type": "unit", "layer": 1, "part": 1, "number": 5}
    step = {"type": "step", "symbols": text, "layer": 1, "units": [0, 23]}
    messages: list[dict[str, Any]] = [{"type": "look", "symbols": text}, unit, step]
    average, first = answers([(page, messages) for page in pages])
    assert average[2]["lines"] == first[2]["lines"]
    assert average[2]["chances"] != first[2]["chances"]
    ids = np.array([text]).T
    y, _, _ = model.network.forward(model.parameters, ids, model.network.zero_state(1))
    likeliest = np.sort(np.exp(y[-1, 0]))[::-1][:8]
    np.testing.assert_allclose(average[2]["chances"], likeliest, rtol=1e-4)
    read = np.array([[model.vocabulary.start, *text]]).T
    _, state, _ = model.network.forward(model.parameters, read, opening_of(model))
    np.testing.assert_allclose(average[1]["values"][-1], state[1][1][0, 5], rtol=0, atol=1e-5)


def test_a_shortened_text_continues_as_if_read_again(tmp_path: Path) -> None:
    """Also if only the length of the prompt has changed, and with it the check for runaways."""
    model = growing(tmp_path / "m.npz", "lstm,output=identity")
    (page,) = write_pages(tmp_path, {"m": model}, "float32")
    text = symbols(model, text_of(300))
    cuts = [300, 299, 128, 129, 127, 64, 63, 1, 200, 0, 65]
    back = [greedy(text[:cut], 30) | {"prompt": min(cut, 40)} for cut in cuts]
    back += [greedy(text[:65], 30) | {"prompt": prompt} for prompt in (40, 7, 65)]
    (found,) = answers([(page, back)])
    alone = answers([(page, [message]) for message in back])
    for again, (fresh,) in zip(found, alone, strict=True):
        assert (again["symbols"], again["nats"]) == (fresh["symbols"], fresh["nats"])


@pytest.mark.parametrize(
    "settings",
    [{"cell": "lstm", "layers": 2}, {"level": "byte"}, {"cell": "gru", "layers": 2, "members": 2}],
)
def test_labelled_texts(tmp_path: Path, settings: dict[str, Any]) -> None:
    """Each label has its own state, texts end by themselves, and signs are never written."""
    model = labelled_model(tmp_path / "m.npz", ["one", "two"], **settings)
    (page,) = write_pages(tmp_path, {"m": model}, "float32")
    asked = [(prime, k, seed) for prime in ("", "ab") for k in (0, 1, 0) for seed in range(4)]
    messages = []
    for prime, label, seed in asked:
        given = model.spec.alphabet.encode(prime).tolist()
        how = GREEDY | {"temperature": 0.9}
        message = greedy(given, model.spec.most) | {"how": how, "seed": str(seed)}
        messages.append(message | {"label": label})
    (found,) = answers([(page, messages)])
    texts = set()
    for (prime, label, seed), answer in zip(asked, found, strict=True):
        written = answer["symbols"][: len(answer["symbols"]) - answer["cut"]]
        text = model.spec.alphabet.decode(np.array(written, int))
        name = model.spec.labels[label]
        whole = model.sample(prime, label=name, temperature=0.9, seed=seed)
        assert prime + text == whole
        texts.add((label, text))
    assert any(answer["cut"] for answer in found)
    assert len(texts) > 8


@pytest.mark.parametrize("settings", [{"cell": "lstm", "layers": 2}, {"level": "byte"}])
def test_labelled_texts_are_examined(tmp_path: Path, settings: dict[str, Any]) -> None:
    """Read after the start, from the label's state; the end has a cost too, and a step is shown."""
    model = labelled_model(tmp_path / "m.npz", ["one", "two"], **settings)
    (page,) = write_pages(tmp_path, {"m": model}, "float32")
    alphabet, network = model.spec.alphabet, model.network.generator
    text = alphabet.encode("abcab no Z").tolist()
    unknown = [None if one == UNKNOWN else one for one in text]
    assert (None in unknown) == (model.config.level == "char")
    ids = np.array([[START, *text]]).T
    parts = network.cell.state_names
    for label in (1, 0):
        look = {"type": "look", "symbols": unknown, "label": label}
        step = {"type": "step", "symbols": ids[:4, 0].tolist(), "layer": 0, "units": [0]}
        ((looked, stepped),) = answers([(page, [look, step | {"label": label}])])
        opening = tuple(
            tuple(model.parameters[f"condition.{k}.{part}"][label][None] for part in parts)
            for k in range(network.num_layers)
        )
        w = model.parameters
        y, _, _ = network.forward(w, ids, opening)
        y = y[:, 0].astype(np.float64)
        log_p = y - np.log(np.exp(y - y.max(1, keepdims=True)).sum(1, keepdims=True))
        log_p -= y.max(1, keepdims=True)
        expected = -log_p[np.arange(len(ids)), [*text, END]]
        np.testing.assert_allclose(looked["nats"], expected, rtol=0, atol=1e-4)
        assert looked["symbols"][-1] == END
        _, state, _ = network.forward(w, ids[:4], opening)
        np.testing.assert_allclose(stepped["h"], state[0][0][0], rtol=1e-4, atol=2e-5)


def test_examining_between_two_writings_changes_nothing(tmp_path: Path) -> None:
    model = drawn_model(tmp_path / "m.npz", cell="gru")
    (page,) = write_pages(tmp_path, {"m": model}, "float32")
    begin = symbols(model, BEGINS)
    whole = symbols(model, model.sample(BEGINS, length=60, temperature=0))
    go_on = greedy(whole[:34], 30) | {"prompt": len(begin), "seed": None}
    messages = [greedy(begin, 60), greedy(begin, 30), looked_at(model, text_of(9)), go_on]
    (found,) = answers([(page, messages)])
    assert begin + found[1]["symbols"] + found[3]["symbols"] == whole
    assert found[1]["nats"] + found[3]["nats"] == found[0]["nats"]


def test_a_stop_ends_a_text(tmp_path: Path) -> None:
    model = drawn_model(tmp_path / "m.npz", cell="gru")
    (page,) = write_pages(tmp_path, {"m": model}, "float32")
    whole = symbols(model, model.sample("a", length=50, temperature=0))
    stop = whole[10:13]
    # What was there before does not end it.
    first = next(k for k in range(1, 50) if whole[k : k + 3] == stop)
    stops = {"stops": [stop, whole[:2]]}
    (found,) = answers([(page, [greedy([whole[0]], 49) | stops])])
    assert found[0]["symbols"] == whole[1 : first + 3]
    assert found[0]["cut"] == 3


def test_the_contents_of_an_examination(tmp_path: Path) -> None:
    """Unknown characters with their cost, the likeliest ones, and the units of the layers."""
    model = drawn_model(tmp_path / "m.npz", cell="lstm", layers=2)
    (page,) = write_pages(tmp_path, {"m": model}, "float32")
    text = text_of(70)
    unknown: list[int | None] = [*symbols(model, text[:30]), None, *symbols(model, text[31:])]
    messages: list[dict[str, Any]] = [{"type": "look", "symbols": unknown}]
    units = [(0, 0, 0), (0, 1, 23), (1, 0, 5), (1, 1, 7)]
    messages += [{"type": "look", "symbols": symbols(model, text)}]
    messages += [{"type": "unit", "layer": n, "part": p, "number": u} for n, p, u in units]
    (found,) = answers([(page, messages)])
    expected = model.score(text[:30] + "Ω" + text[31:])
    np.testing.assert_allclose(found[0]["nats"], expected.nats, atol=1e-4)
    assert found[0]["nats"][30] > 27
    for best, chances in zip(found[1]["best"], found[1]["chances"], strict=True):
        assert chances == sorted(chances, reverse=True)
        assert len(set(best)) == 8
        assert 0 < sum(chances) <= 1 + 1e-6
    ids = np.array([[model.vocabulary.start, *symbols(model, text)]]).T
    for (layer, part, number), answer in zip(units, found[2:], strict=True):
        assert len(answer["values"]) == len(text)
        for count in (1, 40, 70):
            _, state, _ = model.network.forward(
                model.parameters, ids[: count + 1], opening_of(model)
            )
            value = state[layer][part][0, number]
            assert abs(answer["values"][count - 1] - value) < 1e-4


def unpacked(page: Path, tensors: list[Array], precision: str) -> dict[str, Any]:
    """A message that asks to read these numbers."""
    shapes = [[f"{k}", list(tensor.shape)] for k, tensor in enumerate(tensors)]
    how = {"precision": precision, "tensors": shapes, "scales": scales(tensors)}
    return {"unpacked": [packed(tensors, precision), how]}


@pytest.mark.parametrize(
    ("precision", "off"), [("float32", 0.0), ("float24", 2.0**-16), ("int16", 0.51 / 11_000)]
)
def test_numbers_survive_packing(tmp_path: Path, precision: str, off: float) -> None:
    """Numbers of all sizes, including the smallest and zeros, rounded by at most half a step.

    That of a float24 is of each number, that of an int16 of the tensor's largest.
    """
    model = drawn_model(tmp_path / "m.npz", cell="rnn", hidden=3)
    (page,) = write_pages(tmp_path, {"m": model}, "float32")
    odd = [[0.0, -0.0], [1e-40, -6.1e-8], [3e38, -65504.0], [1 / 3, -0.26], [2**-14], [1.0, 1e-9]]
    rng = np.random.default_rng(0)
    several = []
    for count in (1, 2, 9, 1998, 1999, 2000):
        made = [*map(np.array, odd), rng.uniform(1, 2, count), rng.normal(0, 1, (count, 2))]
        several.append([one.astype(np.float32) for one in made])
    messages = [unpacked(page, tensors, precision) for tensors in several]
    (found,) = answers([(page, messages)])
    for answer, tensors in zip(found, several, strict=True):
        exact = np.concatenate([one.ravel() for one in tensors])
        largest = np.concatenate([np.full(one.size, np.abs(one).max()) for one in tensors])
        step = np.abs(exact) if precision == "float24" else largest
        assert np.all(np.abs(np.array(answer["values"]) - exact) <= off * step + 2e-43)


def test_a_float24_is_the_nearest(tmp_path: Path) -> None:
    """Errors are on both sides, and a number without a lowest byte is unchanged."""
    model = drawn_model(tmp_path / "m.npz", cell="rnn", hidden=3)
    (page,) = write_pages(tmp_path, {"m": model}, "float32")
    numbers = np.random.default_rng(0).normal(0, 1, 4000).astype(np.float32)
    ((first,),) = answers([(page, [unpacked(page, [numbers], "float24")])])
    rounded = np.array(first["values"], np.float32)
    assert abs(np.mean((rounded - numbers) / numbers)) < 2e-7
    ((again,),) = answers([(page, [unpacked(page, [rounded], "float24")])])
    np.testing.assert_array_equal(np.array(again["values"], np.float32), rounded)
