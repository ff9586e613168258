"""The data of a page on a model: its network, its characters, and how it was trained."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path, PureWindowsPath
from typing import Any, NamedTuple

import numpy as np

from charrnn.baselines.scores import baselines
from charrnn.errors import CheckpointError, InputError
from charrnn.explaining.cells import equations_of, gates_of
from charrnn.explaining.notation import plain
from charrnn.looking.neurons import follow
from charrnn.nn.types import Array
from charrnn.runs.ancestry import noted, training_of
from charrnn.runs.find import FILES, in_words
from charrnn.runs.history import read_curve
from charrnn.runs.model import Model, reason
from charrnn.runs.texts import ToScore, find_texts
from charrnn.tasks.base import Paths
from charrnn.tasks.config import Config
from charrnn.tasks.generate import GenerateSpec
from charrnn.tasks.lm import TextSpec, opening_of
from charrnn.text.alphabet import END, START, UNKNOWN
from charrnn.text.corpora import encoded
from charrnn.text.decoding import decode_text
from charrnn.text.escapes import KNOWN_NATS, UNKNOWN_NATS
from charrnn.text.sources import read_bytes

__all__ = ["Content", "content_of", "training_text"]

WITHOUT = "leave out --with-text"
PUT_BACK = f"put it back as it was, or {WITHOUT}"

TEMPERATURES = (0.5, 0.8, 1.0, 1.2)
SAMPLE_LENGTH = 250

FOLLOWED = 1 << 16
"""How many characters of the validation text are used to find units that follow features."""

HELD = 0.5
"""The lowest correlation with which a unit is named after the feature that it follows."""

KNOWN = 1 << 20
"""How many characters of the training text the baselines know, so that they take seconds."""

MOST_LENGTH = 1 << 48
"""The longest text; a header that claims more is not believed."""

MOST_POINTS = 200
"""The most points of a curve, as many as can be told apart."""


class Content(NamedTuple):
    """The data of a page."""

    data: dict[str, Any]
    """JSON: everything except the numbers."""
    tensors: list[Array]
    """float32, in the order of ``data["tensors"]``."""


def content_of(model: Model, *, note: str = "", with_text: str | None = None) -> Content:
    """Everything that a page shows of a model, and what it computes with.

    Args:
        model: a language model, or a model of labelled texts.
        note: a line for readers: a licence, or where the text is from.
        with_text: the training text, if it is to be shown.

    Raises:
        InputError: the model is of another kind, uses your own cell, or its outputs are not those
            of a softmax.
        DivergedError: its outputs are not finite.
    """
    config, spec = model.config, model.spec
    if config.own_cell is not None:
        raise InputError(
            f"{model.path} has its author's own cell, which runs only in Python",
            "a page needs an rnn, lstm or gru model",
        )
    labelled = isinstance(spec, GenerateSpec)
    symbols = _signs(spec) if labelled else _characters(model)
    network = model.member(1).network
    network = network.generator if labelled else network
    if network.loss != "softmax":
        raise InputError(f"{model.path} was trained with another loss and gives no probabilities")
    texts = _texts(model)
    tensors = {name: array for name, array in model.parameters.items() if "condition" not in name}
    tensors |= _opening(model)
    cell = asdict(network.cell)
    del cell["hidden_size"]
    data = {
        "name": name_of(model),
        "tensors": [[name, list(array.shape)] for name, array in tensors.items()],
        "shape": {
            "cell": {"name": network.cell.name, **cell},
            "layers": config.layers,
            "hidden": config.hidden,
            "embedding": network.embedding_size,
            "tied": network.tied,
            "symbols": network.output_size,
            "members": model.members,
        },
        "vocabulary": {"level": config.level, **symbols},
        **({"labels": list(spec.labels), "most": spec.most} if labelled else {}),
        "equations": _equations(model),
        "named": _named(model, texts),
        "about": {
            "note": note,
            "facts": _facts(model),
            "settings": _settings(config),
            "curve": _curve(model, texts),
            "samples": [_sample(model, temperature) for temperature in TEMPERATURES],
            "text": with_text,
        },
    }
    return Content(data, list(tensors.values()))


def _characters(model: Model) -> dict[str, Any]:
    """The symbols of a language model; ``start`` is the one before a text."""
    vocabulary = model.vocabulary
    return {
        "codes": list(vocabulary.codes),
        "start": vocabulary.start,
        "never": [],
        "unknownNats": UNKNOWN_NATS,
        "knownNats": KNOWN_NATS if vocabulary.level == "char" else 0,
    }


def _signs(spec: GenerateSpec) -> dict[str, Any]:
    """The symbols of labelled texts: the codes of signs are negative."""
    codes = spec.symbols().tolist()
    signs = {"start": START, "end": END, "unknown": UNKNOWN, "never": [UNKNOWN, START]}
    return {"codes": codes, **signs}


def _sample(model: Model, temperature: float) -> dict[str, Any]:
    label = model.spec.labels[0] if isinstance(model.spec, GenerateSpec) else None
    length = SAMPLE_LENGTH  # best_of: the page itself writes one text at a time
    text = model.sample(length=length, temperature=temperature, seed=0, label=label, best_of=1)
    return {"temperature": temperature, "label": label, "text": text}


def training_text(model: Model) -> str:
    """A model's training text, in the order of its file, including its validation set.

    Raises:
        InputError: the text is not known, not there, or has changed.
    """
    own, config = noted(model), model.config
    if own is None:
        raise InputError(f"{model.path} does not say what it was trained on", WITHOUT)
    if "-" in (*own.paths, own.val, own.test):
        raise InputError(f"{model.path} was trained on standard input", WITHOUT)
    try:
        data = config.kind.read(Paths(own.paths, own.val, own.test), config)
        if config.kind.text:
            text = encoded(data.corpus.codes, config.level)
        else:
            text = "".join(
                decode_text(path, read_bytes(path), config.encoding)[0] for path in own.paths
            ).encode()
    except InputError as error:
        raise InputError(
            f"the training text of {model.path} is not there ({reason(error)})", PUT_BACK
        ) from None
    if data.sha256 != own.sha256:
        raise InputError(f"{own.name} has changed since {model.path} was trained on it", PUT_BACK)
    return text.decode("utf-8", "replace")


def name_of(model: Model) -> str:
    """The name of the run, or of the file."""
    folder = _folder(model)
    return model.path.stem if folder is None else folder.name


def _folder(model: Model) -> Path | None:
    """The run's folder, if the model's file is in one."""
    return model.path.absolute().parent if model.path.name in FILES else None


def _opening(model: Model) -> dict[str, Array]:
    """The state in which a text begins, ``opening.0.h`` (H,), or (K, H) for K labels, ..."""
    parts = model.network.cell.state_names
    if isinstance(model.spec, GenerateSpec):
        every = np.arange(len(model.spec.labels))
        state = model.network.initial_state(model.parameters, every)
    else:
        state = tuple(tuple(array[0] for array in layer) for layer in opening_of(model))
    return {
        f"opening.{number}.{part}": array
        for number, layer in enumerate(state)
        for part, array in zip(parts, layer, strict=True)
    }


def _facts(model: Model) -> list[tuple[str, str]]:
    """Names with values, without paths, since a page is for others."""
    config, spec = model.config, model.spec
    network = f"{config.layers} × {config.hidden} {config.cell}"
    if config.head == "tied":
        network += ", tied weights"
    elif config.embedding:
        network += f", embedding of {config.embedding}"
    shown = spec.knows()["characters"]
    what = "all 256 bytes" if config.level == "byte" else f"{len(shown):,} characters"
    if model.members > 1:
        network = f"the average of {model.members} networks, each {network}"
    facts = [
        ("Network", network if config.layers else "softmax regression, no recurrent layer"),
        ("Parameters", f"{model.parameters.flat.size:,}"),
        ("Knows", what),
    ]
    if isinstance(spec, GenerateSpec):
        facts.append(("Writes", f"texts of {len(spec.labels):,} kinds"))
    corpus = _corpus(model)
    if corpus:
        paths, length, sha256 = corpus["paths"], corpus.get("length"), corpus.get("sha256")
        if all(isinstance(path, str) for path in paths):
            # On Windows, both kinds of slash separate folders.
            text = in_words([PureWindowsPath(path).name for path in paths])
            names = {"": "the help topics of Python", "-": "standard input"}
            facts.append(("Trained on", names.get(text, text)))
        unit = "bytes" if config.level == "byte" else "characters"
        unit = "texts" if isinstance(spec, GenerateSpec) else unit
        if type(length) is int and 0 < length < MOST_LENGTH:
            part = f"{config.val_fraction:.0%}"
            held = f", the last {part} for validation"
            if config.lines:
                held = f", {part} of the lines for validation, drawn from all over"
            held *= bool(config.val_fraction) and not corpus.get("val")
            held = "" if isinstance(spec, GenerateSpec) else held
            facts.append(("Size", f"{length:,} {unit}{held}"))
        if isinstance(sha256, str) and re.fullmatch("[0-9a-f]{64}", sha256):
            # charrnn.tasks.rows
            of = " (over each file's part, such as train, and its own SHA-256)"
            facts.append(("SHA-256", sha256 + of * isinstance(spec, GenerateSpec)))
    return facts


def _corpus(model: Model) -> Mapping[str, Any]:
    """The corpus entry in the header of a model, or of its run's last checkpoint."""
    try:
        corpus: Mapping[str, Any] = training_of(model)["corpus"]
        return corpus if isinstance(corpus["paths"], list) else {}
    except (CheckpointError, KeyError, TypeError):
        return {}


def _settings(config: Config) -> list[tuple[str, str]]:
    """The settings that differ from the task's defaults."""
    defaults = Config.of(config.task).to_json()
    return [
        (name, f"{value:.5g}" if isinstance(value, float) else str(value))
        for name, value in config.to_json().items()
        if value != defaults.get(name)
    ]


def _texts(model: Model) -> ToScore | None:
    """The model's training text and validation text, if they are still there."""
    if not isinstance(model.spec, TextSpec):
        return None
    try:
        return find_texts(model, [], [], validated=True)
    except InputError:
        return None


def _equations(model: Model) -> dict[str, Any]:
    """A step of its cell as ``charrnn explain`` has it: each line's formula and result.

    ``gates`` are the letters of the blocks, in the order of the weights.
    """
    cell = model.network.cell
    forward, _ = equations_of(cell)
    lines = [(plain(equation.latex), equation.what) for equation in forward]
    return {"gates": gates_of(cell) or "", "lines": lines}


def _named(model: Model, texts: ToScore | None) -> list[dict[str, Any]]:
    """Units that follow a feature with a name; in an average, those of the first network."""
    if texts is None:
        return []
    try:
        found = follow(model.member(1), texts.codes[texts.start :][:FOLLOWED])
    except InputError:
        return []
    parts = model.network.cell.state_names
    return [
        {
            "name": f"{one.feature} ({one.held:+.2f})",
            "layer": one.unit.layer,
            "part": parts.index(one.unit.part),
            "unit": one.unit.number,
        }
        for one in found
        if abs(one.held) >= HELD
    ]


def _curve(model: Model, texts: ToScore | None) -> dict[str, Any]:
    folder = _folder(model)
    curve = read_curve(folder or model.path, model.header, model.config)
    return {
        "unit": curve.measure,
        "train": _thinned(curve.train),
        "val": _thinned(curve.val),
        "best": curve.best,
        "baselines": _baselines(model, texts) if curve.best and texts else [],
    }


def _thinned(points: Any) -> list[Any]:
    every = max(1, -(-len(points) // MOST_POINTS))
    return [[step, round(value, 5)] for step, value in points[::-every][::-1]]


def _baselines(model: Model, found: ToScore) -> list[tuple[str, float]]:
    """What baselines reach on the validation text."""
    if found.train is None:
        return []
    before, text = found.codes[: found.start], found.codes[found.start :]
    reached = baselines(found.train, text, model.vocabulary, before=before, most=KNOWN)
    return [(one.name, round(one.nats, 4)) for one in reached]
