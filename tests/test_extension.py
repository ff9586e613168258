"""A model that begins with another one's weights, on a text with new characters."""

import math
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import numpy as np
import pytest
from support import (
    ROOT,
    TEXT,
    TINY,
    charrnn,
    corpus_of,
    fingerprint,
    reader_of,
    resume,
    run_until,
    text_data,
    text_task,
    vocabulary_of,
)

from charrnn.checkpoint import read_checkpoint
from charrnn.errors import InputError
from charrnn.evaluation.validation import evaluate
from charrnn.nn.losses import softmax
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.runs.folder import RunFolder
from charrnn.runs.model import load_model
from charrnn.tasks.base import Paths
from charrnn.tasks.classify import ClassifyData
from charrnn.tasks.config import Config
from charrnn.tasks.extension import begin_from, extended_spec
from charrnn.tasks.generate import GenerateData, GenerateSpec
from charrnn.tasks.lm import TextData, TextSpec
from charrnn.text.alphabet import END, Alphabet
from charrnn.text.vocab import Vocabulary
from charrnn.training.run import Run

OLD = "bdfh\né€"
NETWORKS: dict[str, dict[str, Any]] = {
    "one-hot": {},
    "embedding": {"embedding": 5},
    "no layers": {"layers": 0},
    "no layers, embedding": {"layers": 0, "embedding": 5},
    "two layers": {"layers": 2, "cell": "gru,reset=before"},
    "as wide as the vocabulary": {"hidden": len(OLD), "cell": "rnn,bias=false"},
}
every_network = pytest.mark.parametrize("settings", NETWORKS.values(), ids=list(NETWORKS))
NEW = {
    "before": "\t!A",
    "between": "ceg\u00a0ÿ",
    "after": "₭\u4e2d",
    "astral": "\U0001d538\U0001f600",
    "everywhere": "\0Ace\u00ffœ\ud7ff\uffff\U00010000\U0010ffff",
}
every_text = pytest.mark.parametrize("new", NEW.values(), ids=list(NEW))
HEAD = ("head.W", "head.b")


def spec_of(text: str) -> TextSpec:
    return TextSpec(Vocabulary("char", tuple(sorted(map(ord, set(text))))))


def config_of(**settings: Any) -> Config:
    return Config(**{"hidden": 6, "seq_len": 8, "batch_size": 4} | settings)


def weights_of(spec: TextSpec, config: Config, seed: int = 5) -> Parameters:
    """Weights as in a trained model: no bias is zero."""
    parameters = spec.model(config).init(np.random.default_rng(seed), np.float32)
    parameters.flat += 0.5 * np.random.default_rng(seed + 1).standard_normal(parameters.flat.shape)
    return parameters


def extend(
    folder: Path, text: str, settings: dict[str, Any], **changes: Any
) -> tuple[TextSpec, Parameters, TextSpec, Parameters, tuple[str, ...]]:
    """A model of ``OLD``, and its extension to another text."""
    config = config_of(**settings)
    spec = spec_of(OLD)
    parameters = weights_of(spec, config)
    data = text_data(corpus_of(folder, text))
    found = begin_from(spec, parameters, data, config_of(**settings | changes))
    return spec, parameters, *found


def logits(spec: TextSpec, config: Config, parameters: Parameters, text: str) -> Array:
    """``(T, V)`` in float64, so that rounding plays no part."""
    model, wide = spec.model(config), parameters.astype(np.float64)
    x = spec.vocabulary.encode_text(text)[:, None]
    y, _, _ = model.forward(wide, x, model.zero_state(1, np.float64))
    return np.array(y[:, 0])


def places(old: TextSpec, new: TextSpec) -> Array:
    """The new place of each old symbol, found one by one."""
    return np.array([new.vocabulary.codes.index(code) for code in old.vocabulary.codes])


def reads(name: str, settings: dict[str, Any]) -> bool:
    """Whether each row of this tensor belongs to a symbol that is read."""
    first = "embedding.W" if settings.get("embedding") else "body.0.W_x"
    return name == ("head.W" if first[0] == "b" and settings.get("layers") == 0 else first)


# What the old symbols are


@every_network
@every_text
def test_old_symbols_keep_their_logits_at_their_new_places(
    tmp_path: Path, settings: dict[str, Any], new: str
) -> None:
    before = config_of(**settings)
    old, parameters, spec, extended, _ = extend(tmp_path, OLD + new, settings)
    assert set(map(chr, spec.vocabulary.codes)) == {*OLD, *new}
    assert list(spec.vocabulary.codes) == sorted(spec.vocabulary.codes)
    text = "".join(np.random.default_rng(0).choice(list(OLD), 60))
    expected = logits(old, before, parameters, text)
    actual = logits(spec, before, extended, text)[:, places(old, spec)]
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)


@every_network
def test_every_old_weight_is_kept_bit_for_bit(tmp_path: Path, settings: dict[str, Any]) -> None:
    old, parameters, spec, extended, _ = extend(tmp_path, NEW["everywhere"], settings)
    where = places(old, spec)
    assert set(extended) == set(parameters)
    assert extended.dtype == np.float32
    for name, weights in parameters.items():
        kept = extended[name]
        if reads(name, settings):
            kept = kept[where]
        if name in HEAD:
            kept = kept[..., where]
        assert kept.tobytes() == weights.tobytes(), name


def test_the_original_model_is_not_changed(tmp_path: Path) -> None:
    old, parameters, spec, extended, _ = extend(tmp_path, "!" + OLD, {})
    assert old == spec_of(OLD)
    assert (parameters.flat == weights_of(old, config_of()).flat).all()
    assert not np.shares_memory(parameters.flat, extended.flat)
    assert len(spec.vocabulary) == len(OLD) + 1


def test_characters_that_the_new_text_lacks_are_kept(tmp_path: Path) -> None:
    _, _, spec, _, notes = extend(tmp_path, "bbb!bbb", {})
    assert set(map(chr, spec.vocabulary.codes)) == {*OLD, "!"}
    assert notes == ("1 new character: '!' (U+0021)",)


@pytest.mark.parametrize("text", [OLD, "bd"])
def test_without_new_characters_nothing_changes(tmp_path: Path, text: str) -> None:
    old, parameters, spec, extended, notes = extend(tmp_path, text, {})
    assert spec is old
    assert extended is parameters
    assert notes == ()


def test_bytes_have_nothing_to_extend(tmp_path: Path) -> None:
    config = config_of(level="byte")
    spec = TextSpec(Vocabulary.of("byte", np.array([])))
    parameters = weights_of(spec, config)
    (tmp_path / "b.bin").write_bytes(bytes(range(256)))
    data = TextData.read(Paths((str(tmp_path / "b.bin"),)), config)
    assert begin_from(spec, parameters, data, config) == (spec, parameters, ())


def test_another_level_or_network_is_refused(tmp_path: Path) -> None:
    spec, config = spec_of(OLD), config_of()
    parameters = weights_of(spec, config)
    data = text_data(corpus_of(tmp_path, OLD + "!"))
    with pytest.raises(ValueError, match="another network"):
        begin_from(spec, parameters, data, config_of(hidden=7))
    with pytest.raises(ValueError, match="another network"):
        begin_from(spec, parameters, data, config_of(embedding=3))
    with pytest.raises(ValueError, match="levels"):
        begin_from(TextSpec(Vocabulary.of("byte", np.array([]))), parameters, data, config)


# What the new symbols are


@every_network
def test_weights_that_read_a_new_symbol_depend_on_the_seed(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    rows: dict[int, Array] = {}
    for seed in (0, 1, 0):
        old, _, spec, extended, _ = extend(tmp_path, NEW["everywhere"], settings, seed=seed)
        where = places(old, spec)
        (name,) = [name for name in extended if reads(name, settings)]
        fresh = np.delete(extended[name], where, axis=0)
        assert len(fresh) == len(NEW["everywhere"])
        # The last column of a head without layers is a mean: others differ too.
        assert len(np.unique(fresh, axis=0)) == len(fresh)
        if seed in rows:
            assert (fresh == rows[seed]).all()
        rows[seed] = fresh
    assert not np.isclose(rows[0], rows[1]).any()


def test_new_rows_are_as_wide_as_those_of_a_new_model(tmp_path: Path) -> None:
    new = "".join(map(chr, range(0x4E00, 0x4E00 + 400)))
    for settings, name in (({}, "body.0.W_x"), ({"embedding": 5}, "embedding.W")):
        old, _, spec, extended, _ = extend(tmp_path, new, settings)
        fresh = np.delete(extended[name], places(old, spec), axis=0)
        assert abs(fresh.std() - 1) < 0.05
        assert abs(fresh.mean()) < 0.05


def test_a_new_row_differs_from_rows_drawn_before(tmp_path: Path) -> None:
    """Rows of the original model, or of one extended before, with the same seed."""
    spec, config = spec_of(OLD), config_of()
    first = spec.model(config).init(
        np.random.default_rng(np.random.SeedSequence(config.seed).spawn(3)[0]), np.float32
    )
    drawn = [first["body.0.W_x"]]
    parameters = first
    for new in ("\t", "\b", "\a"):  # each before all others
        data = text_data(corpus_of(tmp_path, new * 40))
        spec, parameters, _ = begin_from(spec, parameters, data, config)
        drawn.append(parameters["body.0.W_x"][:1])
    rows = np.concatenate(drawn)
    assert len(np.unique(rows, axis=0)) == len(rows)


@every_network
@every_text
def test_a_new_symbol_takes_little_from_the_old(
    tmp_path: Path, settings: dict[str, Any], new: str
) -> None:
    """Its logit is the mean of the old ones, so its probability is at most 1/V."""
    config = config_of(**settings)
    old, parameters, spec, extended, _ = extend(tmp_path, new, settings)
    where = places(old, spec)
    before = logits(old, config, parameters, OLD * 5)
    after = logits(spec, config, extended, OLD * 5)
    added = np.delete(after, where, axis=1)
    mean = before.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(added, np.broadcast_to(mean, added.shape), atol=1e-5)
    softmax(before)
    softmax(after)
    rise = np.log(before / after[:, where])
    assert rise.min() >= 0
    assert rise.max() <= math.log(1 + len(new) / len(OLD)) + 1e-6
    assert np.delete(after, where, axis=1).max() <= 1 / len(OLD) + 1e-6


# Tasks


def pairs(folder: Path, rows: list[str], name: str) -> Paths:
    path = folder / name
    path.write_text("".join(rows), encoding="utf-8", newline="")
    return Paths((str(path),))


def test_a_generator_learns_new_characters_and_keeps_its_signs(tmp_path: Path) -> None:
    config = Config.of("generate", hidden=6, batch_size=4)
    rows = [f"{'even' if k % 2 else 'odd'}\t{'bdh'[k % 3] * (1 + k % 5)}\n" for k in range(40)]
    spec = GenerateData(pairs(tmp_path, rows, "a.tsv"), config).spec()
    model = spec.model(config)
    parameters = model.init(np.random.default_rng(3), np.float32)
    more = [row.replace("b", "ac\U0001f600") for row in rows]
    data = GenerateData(pairs(tmp_path, more, "b.tsv"), config)
    wider, extended, notes = begin_from(spec, parameters, data, config)
    assert isinstance(wider, GenerateSpec)
    assert wider.labels == spec.labels
    assert "".join(map(chr, wider.alphabet.vocabulary.codes)) == "abcdh\U0001f600"
    assert spec.longest < wider.longest
    assert notes == ("3 new characters: 'a' (U+0061), 'c' (U+0063), '😀' (U+1F600)",)
    where = [0, 1, 2, 4, 6, 7]  # three signs, b, d, h
    for name in parameters:
        kept = extended[name]
        kept = kept[where] if name == "body.0.W_x" else kept
        kept = kept[..., where] if name in HEAD else kept
        assert kept.tobytes() == parameters[name].tobytes(), name
    assert wider.model(config).shapes() == extended.shapes


def test_no_character_takes_the_place_of_a_sign() -> None:
    spec = GenerateSpec(("a",), Alphabet.of("char", ["\0b\1"]), 3)
    assert len(spec.symbols()) == len(spec.alphabet)
    assert (np.diff(spec.symbols()) > 0).all()
    assert spec.symbols()[END + 1 :].tolist() == [0, 1, ord("b")]


def test_a_generator_of_known_characters_may_learn_longer_texts(tmp_path: Path) -> None:
    config = Config.of("generate", hidden=6, batch_size=4)
    rows = [f"{'even' if k % 2 else 'odd'}\t{'bdh'[k % 3] * (1 + k)}\n" for k in range(40)]
    spec = GenerateData(pairs(tmp_path, rows, "a.tsv"), config).spec()
    parameters = spec.model(config).init(np.random.default_rng(3), np.float32)
    longer = [row.replace("b", "bdh") for row in rows]
    data = GenerateData(pairs(tmp_path, longer, "b.tsv"), config)
    wider, same, notes = begin_from(spec, parameters, data, config)
    assert wider.longest > spec.longest
    assert wider.alphabet == spec.alphabet
    assert same is parameters
    assert notes == ()


def test_a_generators_labels_stay_fixed(tmp_path: Path) -> None:
    config = Config.of("generate", hidden=6, batch_size=4, epochs=1.0)
    rows = [f"{'even' if k % 2 else 'odd'}\t{'bdh'[k % 3] * (1 + k)}\n" for k in range(40)]
    data = GenerateData(pairs(tmp_path, rows, "a.tsv"), config)
    run_until(Run.begin(config, data, RunFolder(tmp_path / "run", resume=False), threads=1))
    initial = load_model(tmp_path / "run" / "best.npz")
    with_characters = [row.replace("h", "H") for row in rows]
    data = GenerateData(pairs(tmp_path, with_characters, "b.tsv"), config)
    run = Run.begin(config, data, RunFolder(tmp_path / "new", resume=False), initial, threads=1)
    assert isinstance(run.spec, GenerateSpec)
    assert ord("H") in run.spec.alphabet.vocabulary.codes
    run_until(run)
    with_labels = [row.replace("odd", "strange") for row in with_characters]
    data = GenerateData(pairs(tmp_path, with_labels, "c.tsv"), config)
    folder = RunFolder(tmp_path / "no", resume=False)
    with pytest.raises(InputError, match="different labels"):
        Run.begin(config, data, folder, initial)
    folder.close()


def test_tasks_with_an_unknown_sign_need_no_extension(tmp_path: Path) -> None:
    config = Config.of("classify", hidden=6, batch_size=4)
    rows = [f"{'bdh'[k % 3] * (1 + k % 5)}x{k}\t{'even' if k % 2 else 'odd'}\n" for k in range(40)]
    spec = ClassifyData(pairs(tmp_path, rows, "a.tsv"), config).spec()
    data = ClassifyData(pairs(tmp_path, [row.replace("b", "Z") for row in rows], "b.tsv"), config)
    assert extended_spec(spec, data) is spec


# Runs


@pytest.fixture
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in another folder, since a run writes checkpoints/latest."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_elsewhere")
def test_the_loss_on_the_old_text_is_unchanged(tmp_path: Path) -> None:
    """The same among the old characters, and hardly more among all."""
    text = "the cat sat on the mat\nthe dog sat on the log\n" * 60
    settings: dict[str, Any] = {"hidden": 16, "seq_len": 16, "batch_size": 8, "lr": 0.02}
    config = Config(**settings, epochs=8.0)
    data = text_data(corpus_of(tmp_path, text))
    run_until(Run.begin(config, data, RunFolder(Path("first"), resume=False), threads=1))
    initial = load_model(Path("first/best.npz"))
    kept = fingerprint(Path("first"))
    data = text_data(corpus_of(tmp_path, text.replace("cat", "Fuchs").replace("log", "Öl")))
    run = Run.begin(config, data, RunFolder(Path("second"), resume=False), initial, threads=1)
    assert run.notes == ("3 new characters: 'F' (U+0046), 'u' (U+0075), 'Ö' (U+00D6)",)
    old, new = initial.spec, run.spec
    assert isinstance(new, TextSpec)
    ids = new.vocabulary.encode_text(text)
    weights = run.trainer.parameters
    before = old.vocabulary.encode_text(text)
    was = evaluate(reader_of(initial.network), initial.parameters, before, 1, lanes=1)
    now = evaluate(reader_of(run.network), weights, ids, 1, lanes=1)
    assert was.nats < 0.3  # it has learnt
    assert 0 <= now.nats - was.nats < 0.01
    assert _among(old, new, run.network, weights, ids) == pytest.approx(was.nats, abs=1e-5)
    run_until(run)
    assert fingerprint(Path("first")) == kept
    assert load_model(Path("second/best.npz")).spec == new


def test_a_model_that_is_sure_loses_next_to_nothing(tmp_path: Path) -> None:
    """For the shipped model, the loss per character agrees to the third decimal."""
    path = ROOT / "checkpoints" / "pydoc.npz"
    if not path.exists():
        pytest.skip("the model is not made yet")
    initial = load_model(path)
    known = set(map(chr, initial.vocabulary.codes))  # other versions of Python may say more
    text = "".join(character for character in "".join(topics.values()) if character in known)
    text = text[-4000:]
    data = text_data(corpus_of(tmp_path, text + "\x01ſ€😀"))
    spec, parameters, notes = begin_from(initial.spec, initial.parameters, data, initial.config)
    assert notes[0].startswith("4 new characters: '\\x01' (U+0001), 'ſ' (U+017F)")
    model = spec.model(initial.config)
    ids = initial.vocabulary.encode_text(text)
    was = evaluate(reader_of(initial.network), initial.parameters, ids, 1)
    now = evaluate(reader_of(model), parameters, spec.vocabulary.encode_text(text), 1)
    assert 0 <= now.nats - was.nats < 1e-3


def _among(old: TextSpec, new: TextSpec, model: Any, parameters: Parameters, ids: Array) -> float:
    """Nats per character if only the old characters are possible."""
    y, _, _ = model.forward(parameters, ids[:-1, None].astype(np.intp), model.zero_state(1))
    where = places(old, new)
    p = y[:, 0][:, where].astype(np.float64)
    softmax(p)
    number = {int(place): k for k, place in enumerate(where)}
    targets = np.array([number[int(symbol)] for symbol in ids[1:]])
    return float(-np.log(p[np.arange(len(targets)), targets]).mean())


@pytest.mark.usefixtures("_elsewhere")
def test_an_extended_run_resumes_exactly(tmp_path: Path) -> None:
    first = corpus_of(tmp_path)
    config = Config(hidden=8, seq_len=8, batch_size=4, epochs=1.0)
    run_until(
        Run.begin(config, text_data(first), RunFolder(Path("first"), resume=False), threads=1)
    )
    initial = load_model(Path("first/best.npz"))
    corpus = corpus_of(tmp_path, TEXT.replace("d", "D") + "Ω")

    def begun(name: str) -> Run:
        folder = RunFolder(Path(name), resume=False)
        return Run.begin(config, text_data(corpus), folder, initial, threads=1)

    whole, broken = begun("whole"), begun("broken")
    run_until(whole)
    run_until(broken, 9)
    again = resume(Path("broken"), corpus)
    assert again.notes == ()
    assert vocabulary_of(again) == vocabulary_of(whole)
    assert vocabulary_of(again).decode(np.asarray(text_task(again).ids)).decode().endswith("Ω")
    run_until(again)
    assert fingerprint(Path("broken")) == fingerprint(Path("whole"))


def test_init_from_on_the_command_line_learns_new_characters(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abc abd\n" * 60, encoding="utf-8")
    (tmp_path / "b.txt").write_text("Zebra 😀\n" * 60, encoding="utf-8")
    flags = [*TINY, "--threads", "1", "--lr", "0.05"]
    done = charrnn("train", "a.txt", *flags, "--out", "a", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"new character" not in done.stderr
    kept = fingerprint(tmp_path / "a")
    flags = [*flags[2:], "--init-from", "a", "--out", "b", "--epochs", "30"]
    done = charrnn("train", "b.txt", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    note = "4 new characters: 'Z' (U+005A), 'e' (U+0065), 'r' (U+0072), '😀' (U+1F600)"
    assert note in done.stderr.decode().splitlines()
    assert fingerprint(tmp_path / "a") == kept
    header, _ = read_checkpoint(tmp_path / "b" / "best.npz")
    assert header["vocabulary"]["symbols"] == "\n Zabcder😀"
    done = charrnn("sample", "b", "--greedy", "-l", "40", "--prime", "Zeb", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Zebra 😀\nZebra 😀\n" in done.stdout.decode()
    done = charrnn("sample", "b", "-l", "5", "--prime", "c", cwd=tmp_path)  # it knows them still
    assert done.returncode == 0, done.stderr
    done = charrnn("train", "--resume", "b", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"this run is complete" in done.stderr
