"""The settings of a run: checked once, frozen, and saved with it."""

import codecs
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from math import ceil
from typing import Any

from charrnn.errors import InputError
from charrnn.nn.cells import Cell, UnknownCellError, parse_cell
from charrnn.nn.models import SequenceModel
from charrnn.nn.stack import MASKS
from charrnn.optim.optimizers import OPTIMIZERS
from charrnn.optim.schedules import SCHEDULES
from charrnn.text.vocab import LEVELS

__all__ = ["CARRIED", "SCHEDULE_WORDS", "TASK_DEFAULTS", "TASK_WORDS", "Config"]


def _within(default: Any, low: float, high: float) -> Any:
    """A number's default and the closed range it must be in."""
    return field(default=default, metadata={"low": low, "high": high})


def _one_of(default: str, words: tuple[str, ...]) -> Any:
    return field(default=default, metadata={"words": words})


TASK_DEFAULTS: dict[str, dict[str, Any]] = {
    "lm": {},
    "classify": {
        "mask": "step",
        "hidden": 256,
        "embedding": 32,
        "dropout": 0.5,
        "directions": "both",
        "epochs": 15.0,
        "lr": 4e-3,
        "batch_size": 64,
        "noise": 0.1,
    },
    "tag": {
        "mask": "step",
        "hidden": 128,
        "embedding": 32,
        "dropout": 0.5,
        "directions": "both",
        "epochs": 15.0,
        "lr": 3e-3,
        "noise": 0.02,
    },
    "translate": {
        "mask": "step",
        "hidden": 384,
        "embedding": 64,
        "dropout": 0.4,
        "directions": "both",
        "epochs": 16.0,
        "lr": 3e-3,
        "batch_size": 64,
        "noise": 0.01,
    },
    "generate": {
        "mask": "step",
        "hidden": 384,
        "dropout": 0.5,
        "epochs": 16.0,
        "lr": 4e-3,
        "batch_size": 16,
    },
    "forecast": {"mask": "step", "hidden": 32, "epochs": 30.0, "seq_len": 32, "batch_size": 16},
}
"""What each task sets otherwise than a language model (docs/log.md has how it was found)."""

CARRIED = ("lm", "forecast")
"""The tasks that read one long sequence in chunks of ``--seq-len``, the state carried."""

CANNOT_LOOK_AHEAD = {
    "lm": "a language model",
    "generate": "a generator",
    "forecast": "a forecast",
}

LEAST_UPDATES = {"classify": 1000, "tag": 1000, "translate": 2000, "generate": 600, "forecast": 0}
"""With few examples a task's epochs are too few to learn from: then it makes so many updates."""

TASK_WORDS: dict[str, tuple[str, ...]] = {
    "lm": ("directions", "head", "mask"),
    "classify": ("directions", "readout", "loss", "noise"),
    "tag": ("directions", "noise", "column"),
    "translate": ("directions", "attention", "noise"),
    "generate": ("directions",),
    "forecast": ("directions",),
}
"""The settings that only some tasks have; they are given with the task's name."""

SCHEDULE_WORDS = {"warmup": "warmup", "final": "lr_final"}
"""Settings by their names in ``--schedule cosine,warmup=0.1,final=0.01``."""


@dataclass(frozen=True)
class Config:
    """Everything that decides what a run computes, besides its corpus.

    Raises:
        InputError: a value is out of its range.
    """

    task: str = _one_of("lm", tuple(TASK_DEFAULTS))
    # the text
    level: str = _one_of("char", LEVELS)
    encoding: str = "utf-8"
    keep_newlines: bool = False
    val_fraction: float = _within(0.1, 0, 0.9)
    column: int = _within(0, 0, 1 << 10)
    # the model
    cell: str = "lstm"
    layers: int = _within(1, 0, 64)
    hidden: int = _within(256, 1, 1 << 15)
    embedding: int = _within(0, 0, 1 << 15)
    dropout: float = _within(0.0, 0, 0.95)
    directions: str = _one_of("forward", ("forward", "backward", "both"))
    readout: str = _one_of("max", ("last", "mean", "max"))
    attention: str = _one_of("luong", ("luong", "none"))
    loss: str = _one_of("softmax", ("softmax", "sigmoid"))
    head: str = _one_of("free", ("free", "tied"))
    mask: str = _one_of("sequence", MASKS)
    # the training
    seq_len: int = _within(64, 1, 1 << 20)
    batch_size: int = _within(32, 1, 1 << 20)
    minutes: float = _within(0.0, 0, 1e6)
    epochs: float = _within(10.0, 1e-3, 1e9)
    patience: int = _within(0, 0, 1 << 40)
    optimizer: str = _one_of("adamw", tuple(OPTIMIZERS))
    lr: float = _within(5e-3, 0, 1e6)
    schedule: str = _one_of("cosine", tuple(SCHEDULES))
    warmup: float = _within(0.05, 0, 1)
    lr_final: float = _within(0.01, 0, 1)
    clip: float = _within(1.0, 0, 1e12)
    weight_decay: float = _within(0.0, 0, 1)
    noise: float = _within(0.0, 0, 0.9)
    seed: int = _within(0, 0, 2**128)
    eval_every: int = _within(0, 0, 1 << 40)
    sample_every: int = _within(0, 0, 1 << 40)

    def __post_init__(self) -> None:
        for setting in fields(self):
            value, option = getattr(self, setting.name), setting.name.replace("_", "-") + " "
            if any(setting.name in words for words in TASK_WORDS.values()):
                option = f"task {self.task},{setting.name}="
            for word, name in SCHEDULE_WORDS.items():
                if name == setting.name:
                    option = f"schedule {self.schedule},{word}="
            rule = setting.metadata
            if "words" in rule and value not in rule["words"]:
                raise InputError(f"--{option}{value}: choose from {', '.join(rule['words'])}")
            if "low" in rule and not rule["low"] <= value <= rule["high"]:
                raise InputError(
                    f"--{option}{value}: must be between {rule['low']:g} and {rule['high']:g}"
                )
        if self.directions != "forward" and self.task in CANNOT_LOOK_AHEAD:
            raise InputError(
                f"--task {self.task},directions={self.directions}: "
                + CANNOT_LOOK_AHEAD[self.task]
                + " predicts what comes next, and must not have read it",
                "read forward; classify, tag and translate can read in both directions",
            )
        try:
            codecs.lookup(self.encoding)
        except (LookupError, TypeError, ValueError):
            raise InputError(
                f"unknown encoding {self.encoding!r}", "for example utf-8, latin-1, cp1252"
            ) from None
        if self.head == "tied" and (not self.layers or self.embedding not in (0, self.hidden)):
            raise InputError(
                f"--task {self.task},head=tied: an embedding that is also the head is as wide as "
                "a layer",
                "leave out --embedding, and --layers 0",
            )
        if self.directions == "backward" and self.task != "translate":
            raise InputError(
                f"--task {self.task},directions=backward: only translate turns its input round",
                "forward, or both",
            )
        try:
            parse_cell(self.cell, self.hidden)
        except UnknownCellError as error:
            raise InputError(f"--cell {self.cell}: {error}") from None

    @classmethod
    def of(cls, task: str = "lm", **settings: Any) -> "Config":
        """The settings of a task: its defaults, but for those given.

        Raises:
            InputError: as the class.
        """
        return cls(**{**TASK_DEFAULTS.get(task, {}), "task": task, **settings})

    @classmethod
    def parse_task(cls, text: str) -> dict[str, Any]:
        """``tag,directions=forward`` as settings: a task, then variants of it, comma-separated.

        Raises:
            InputError: with the names or words that would do.
        """
        task, variants = text.split(",")[0].strip(), text.split(",")[1:]
        if task not in TASK_WORDS:
            raise InputError(f"--task {task}: choose from {', '.join(TASK_WORDS)}")
        names = {name: name for name in TASK_WORDS[task]}
        return {"task": task, **cls._parse_variants("task", text, task, variants, names)}

    @classmethod
    def parse_schedule(cls, text: str) -> dict[str, Any]:
        """``cosine,warmup=0.1`` as settings: a schedule, then variants of it, comma-separated.

        Raises:
            InputError: with the names or words that would do.
        """
        schedule, variants = text.split(",")[0].strip(), text.split(",")[1:]
        if schedule not in SCHEDULES:
            raise InputError(f"--schedule {schedule}: choose from {', '.join(SCHEDULES)}")
        settings = cls._parse_variants("schedule", text, schedule, variants, SCHEDULE_WORDS)
        return {"schedule": schedule, **settings}

    @classmethod
    def _parse_variants(
        cls, option: str, text: str, what: str, variants: list[str], names: Mapping[str, str]
    ) -> dict[str, Any]:
        """``name=word`` each: the settings of those names, as their defaults' types read them."""
        settings: dict[str, Any] = {}
        defaults = cls().to_json()
        for variant in variants:
            name, _, word = (part.strip() for part in variant.partition("="))
            if name not in names:
                raise InputError(
                    f"--{option} {text}: {what} has no variant {name!r}",
                    f"its variants: {', '.join(names) or 'none'}",
                )
            if names[name] in settings:
                raise InputError(f"--{option} {text}: {name} is given twice")
            try:
                settings[names[name]] = type(defaults[names[name]])(word)
            except ValueError:
                raise InputError(f"--{option} {text}: {name}={word} is not a number") from None
        return settings

    def long_enough(self, examples: int) -> "Config":
        """These settings, with more epochs where so few examples need them."""
        updates = -(-examples // self.batch_size)
        least = LEAST_UPDATES.get(self.task, 0) / max(1, updates)
        return replace(self, epochs=float(ceil(least))) if self.epochs < least else self

    def recurrence(self) -> Cell[Any]:
        """The cell."""
        return parse_cell(self.cell, self.hidden)

    def model(self, vocab_size: int) -> SequenceModel:
        """The language model of these settings."""
        return SequenceModel(
            input_size=vocab_size,
            output_size=vocab_size,
            cell=self.recurrence(),
            num_layers=self.layers,
            embedding_size=self.hidden if self.head == "tied" else self.embedding,
            dropout=self.dropout,
            tied=self.head == "tied",
            mask=self.mask,
        )

    def to_json(self) -> dict[str, Any]:
        """A dictionary for :meth:`from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Config":
        """The inverse of :meth:`to_json`, for data that may come from anywhere.

        Raises:
            InputError: a setting is unknown, or its value is of the wrong type or out of range.
        """
        types = {setting.name: type(setting.default) for setting in fields(cls)}
        for name, value in data.items():
            wanted = types.get(name)
            if wanted is None:
                raise InputError(f"unknown setting {name!r}")
            if type(value) is not wanted and not (wanted is float and type(value) is int):
                raise InputError(f"{name}: expected {wanted.__name__}, got {value!r}")
        return cls(**data)
