"""What a page holds of a model, as data: its network, its characters, and how it came about."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from charrnn.checkpoint import read_checkpoint
from charrnn.errors import CheckpointError, InputError
from charrnn.explaining.cells import equations_of, gates_of
from charrnn.explaining.notation import plain
from charrnn.looking.neurons import follow
from charrnn.nn.types import Array
from charrnn.runs.find import FILES
from charrnn.runs.history import is_number, read_curve
from charrnn.runs.model import Model
from charrnn.runs.texts import ToScore, find_texts
from charrnn.tasks.config import Config
from charrnn.tasks.lm import opening_of
from charrnn.text.corpora import encoded
from charrnn.text.escapes import KNOWN_NATS, UNKNOWN_NATS
from charrnn.yardsticks.scores import yardsticks

__all__ = ["Content", "content_of", "training_text"]

TEMPERATURES = (0.5, 0.8, 1.0, 1.2)
SAMPLE_LENGTH = 250

FOLLOWED = 1 << 16
"""Characters of the held-out text that units are looked at on."""

HELD = 0.5
"""A unit is named after what it follows if its correlation is as high."""

KNOWN = 1 << 20
"""Characters of the training text that the simple methods know: they take some seconds."""

MOST_POINTS = 200
"""Of a curve: as many as can be told apart."""


class Content(NamedTuple):
    """A model for a page."""

    data: dict[str, Any]
    """JSON: everything but the numbers."""
    tensors: list[Array]
    """float32, in the order of ``data["tensors"]``."""


def content_of(model: Model, *, note: str = "", with_text: str | None = None) -> Content:
    """All that a page says of a model, and what it computes with.

    Args:
        model: a language model.
        note: for people: a licence, or where the text is from.
        with_text: the text that it was trained on, to be shown.

    Raises:
        InputError: it is another kind of model, its cell is its author's own, or its outputs are no
            softmax's.
        DivergedError: its outputs are not finite.
    """
    vocabulary, config = model.vocabulary, model.config
    if config.own_cell is not None:
        raise InputError(
            f"{model.path} has a cell of its author's own, which runs in Python only",
            "a page can show models with the cells rnn, lstm and gru",
        )
    if model.network.loss != "softmax":
        raise InputError(f"{model.path} was trained with another loss: it tells no probabilities")
    tensors = dict(model.parameters) | _opening(model)
    texts = _texts(model)
    cell = asdict(model.network.cell)
    del cell["hidden_size"]
    data = {
        "name": name_of(model),
        "tensors": [[name, list(array.shape)] for name, array in tensors.items()],
        "shape": {
            "cell": {"name": model.network.cell.name, **cell},
            "layers": config.layers,
            "hidden": config.hidden,
            "embedding": model.network.embedding_size,
            "tied": model.network.tied,
            "symbols": len(vocabulary),
        },
        "vocabulary": {
            "level": vocabulary.level,
            "codes": list(vocabulary.codes),
            "start": vocabulary.start,
            "unknownNats": UNKNOWN_NATS,
            "knownNats": KNOWN_NATS if vocabulary.level == "char" else 0,
        },
        "equations": _equations(model),
        "named": _named(model, texts),
        "about": {
            "note": note,
            "facts": _facts(model),
            "settings": _settings(config),
            "curve": _curve(model, texts),
            "samples": [
                {
                    "temperature": temperature,
                    "text": model.sample(length=SAMPLE_LENGTH, temperature=temperature, seed=0),
                }
                for temperature in TEMPERATURES
            ],
            "text": with_text,
        },
    }
    return Content(data, list(tensors.values()))


def training_text(model: Model) -> str:
    """The text that a model was trained on, with its held-out end.

    Raises:
        InputError: it is not known, not there, or no longer the same.
    """
    found = find_texts(model, [], [])
    return encoded(found.codes, model.config.level).decode("utf-8", "replace")


def name_of(model: Model) -> str:
    """The run's, or the file's."""
    folder = _folder(model)
    return model.path.stem if folder is None else folder.name


def _folder(model: Model) -> Path | None:
    """The run's, if its file lies in one."""
    return model.path.absolute().parent if model.path.name in FILES else None


def _opening(model: Model) -> dict[str, Array]:
    """The state in which a text begins, ``opening.0.h`` (H,), ..."""
    parts = model.network.cell.state_names
    return {
        f"opening.{number}.{part}": array[0]
        for number, layer in enumerate(opening_of(model))
        for part, array in zip(parts, layer, strict=True)
    }


def _facts(model: Model) -> list[tuple[str, str]]:
    """A name and a value each; no paths: a page is for others."""
    config, vocabulary = model.config, model.vocabulary
    network = f"{config.layers} × {config.hidden} {config.cell}"
    if config.head == "tied":
        network += ", tied head"
    elif config.embedding:
        network += f", embedding of {config.embedding}"
    what = "all 256 bytes" if config.level == "byte" else f"{len(vocabulary):,} characters"
    facts = [
        ("Network", network if config.layers else "softmax regression, no recurrent layer"),
        ("Parameters", f"{model.parameters.flat.size:,}"),
        ("Knows", what),
    ]
    corpus = _corpus(model)
    if corpus:
        paths = [Path(str(path)).name for path in corpus["paths"]]
        names = {"": "the help topics of Python", "-": "standard input"}
        text = " ".join(paths)
        facts.append(("Trained on", names.get(text, text)))
        unit = "bytes" if config.level == "byte" else "characters"
        if is_number(corpus.get("length")):
            held = f", the last {config.val_fraction:.0%} held out" * (config.val_fraction > 0)
            facts.append(("Size", f"{corpus['length']:,} {unit}{held}"))
        facts.append(("SHA-256", str(corpus.get("sha256"))))
    return facts


def _corpus(model: Model) -> Mapping[str, Any]:
    """What the header of a model, or of the last checkpoint beside it, says of its corpus."""
    header, folder = model.header, _folder(model)
    try:
        if "training" not in header and folder is not None:
            header, _ = read_checkpoint(folder / "last.npz")
        corpus = header["training"]["corpus"]
        return corpus if isinstance(corpus["paths"], list) else {}
    except (CheckpointError, KeyError, TypeError):
        return {}


def _settings(config: Config) -> list[tuple[str, str]]:
    """Those that are not the defaults of the task."""
    defaults = Config.of(config.task).to_json()
    return [
        (name, f"{value:.5g}" if isinstance(value, float) else str(value))
        for name, value in config.to_json().items()
        if value != defaults[name]
    ]


def _texts(model: Model) -> ToScore | None:
    """What it was trained on and what was held out, where that is still there."""
    try:
        return find_texts(model, [], [])
    except InputError:
        return None


def _equations(model: Model) -> dict[str, Any]:
    """A step of its cell as ``charrnn explain`` has it: of each line the formula and what it gives.

    ``gates`` are the letters of the blocks, in the order in which they stand in the weights.
    """
    cell = model.network.cell
    forward, _ = equations_of(cell)
    lines = [(plain(equation.latex), equation.what) for equation in forward]
    return {"gates": gates_of(cell) or "", "lines": lines}


def _named(model: Model, texts: ToScore | None) -> list[dict[str, Any]]:
    """Units that follow something that can be named."""
    if texts is None:
        return []
    try:
        found = follow(model, texts.codes[texts.start :][:FOLLOWED])
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
    """What simple methods reach on the held-out text."""
    if found.train is None:
        return []
    before, text = found.codes[: found.start], found.codes[found.start :]
    reached = yardsticks(found.train, text, model.vocabulary, before=before, most=KNOWN)
    return [(one.name, round(one.nats, 4)) for one in reached]
