"""The settings of a run: checked once, frozen, and saved with it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from charrnn.errors import InputError
from charrnn.nn.cells import UnknownCellError, parse_cell
from charrnn.nn.models import SequenceModel
from charrnn.text.vocab import LEVELS
from charrnn.training.optim import OPTIMIZERS
from charrnn.training.schedules import SCHEDULES

__all__ = ["Config"]


def _within(default: Any, low: float, high: float) -> Any:
    """A number's default and the closed range it must be in."""
    return field(default=default, metadata={"low": low, "high": high})


def _one_of(default: str, words: tuple[str, ...]) -> Any:
    return field(default=default, metadata={"words": words})


@dataclass(frozen=True)
class Config:
    """Everything that decides what a run computes, besides its corpus.

    Raises:
        InputError: a value is out of its range.
    """

    # the text
    level: str = _one_of("char", LEVELS)
    encoding: str = "utf-8"
    keep_newlines: bool = False
    val_fraction: float = _within(0.1, 0, 0.9)
    # the model
    cell: str = "lstm"
    layers: int = _within(1, 0, 64)
    hidden: int = _within(256, 1, 1 << 15)
    embedding: int = _within(0, 0, 1 << 15)
    dropout: float = _within(0.0, 0, 0.95)
    # the training
    seq_len: int = _within(64, 1, 1 << 20)
    batch_size: int = _within(32, 1, 1 << 20)
    epochs: float = _within(10.0, 1e-3, 1e9)
    optimizer: str = _one_of("adamw", tuple(OPTIMIZERS))
    lr: float = _within(5e-3, 0, 1e6)
    schedule: str = _one_of("cosine", tuple(SCHEDULES))
    warmup: float = _within(0.05, 0, 1)
    lr_final: float = _within(0.01, 0, 1)
    clip: float = _within(1.0, 0, 1e12)
    weight_decay: float = _within(0.0, 0, 1)
    seed: int = _within(0, 0, 2**128)
    eval_every: int = _within(0, 0, 1 << 40)
    sample_every: int = _within(0, 0, 1 << 40)

    def __post_init__(self) -> None:
        for setting in fields(self):
            value, option = getattr(self, setting.name), setting.name.replace("_", "-")
            rule = setting.metadata
            if "words" in rule and value not in rule["words"]:
                raise InputError(f"--{option} {value}: choose from {', '.join(rule['words'])}")
            if "low" in rule and not rule["low"] <= value <= rule["high"]:
                raise InputError(
                    f"--{option} {value}: must be between {rule['low']:g} and {rule['high']:g}"
                )
        try:
            parse_cell(self.cell, self.hidden)
        except UnknownCellError as error:
            raise InputError(f"--cell {self.cell}: {error}") from None

    def model(self, vocab_size: int) -> SequenceModel:
        """The language model of these settings."""
        return SequenceModel(
            input_size=vocab_size,
            output_size=vocab_size,
            cell=parse_cell(self.cell, self.hidden),
            num_layers=self.layers,
            embedding_size=self.embedding,
            dropout=self.dropout,
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
