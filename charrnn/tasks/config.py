"""The settings of a run: checked once, frozen, and saved with it."""

import codecs
import re
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from difflib import get_close_matches
from math import ceil
from shlex import quote
from typing import Any

from charrnn.errors import InputError, as_type
from charrnn.nn.cells import Cell, UnknownCellError, parse_cell
from charrnn.nn.stack import MASKS
from charrnn.optim.optimizers import OPTIMIZERS
from charrnn.optim.schedules import SCHEDULES
from charrnn.own_cells import LoadedCell, load_cell, split_cell
from charrnn.tasks.kinds import Kind, kind_of
from charrnn.text.counts import typed
from charrnn.text.held_out import HeldOut
from charrnn.text.numerals import DECIMAL, MISSING
from charrnn.text.vocab import LEVELS

__all__ = ["GIVEN_IN", "MOST_MEMBERS", "Config"]


def _within(default: Any, low: float, high: float, *, own: bool = False) -> Any:
    """The default of a number, and the closed range that it must be in."""
    return field(default=default, metadata={"low": low, "high": high, "own": own})


def _one_of(default: str, words: tuple[str, ...], *, own: bool = False) -> Any:
    """The default of a word, and the words to choose from; ``own``: only some tasks have it."""
    return field(default=default, metadata={"words": words, "own": own})


def _like(default: str, pattern: str, such: str, *, own: bool = False) -> Any:
    """The default of a text, the regular expression that it must match, and that in words."""
    return field(default=default, metadata={"pattern": pattern, "such": such, "own": own})


GIVEN_IN = {
    "warmup": ("schedule", "warmup"),
    "lr_final": ("schedule", "final"),
    "clip": ("optimizer", "clip"),
    "keep_newlines": ("encoding", "newlines"),
}
"""Settings that are given as part of another: ``--schedule cosine,warmup=0.1,final=0.01``."""

MOST_MEMBERS = 32
"""The most networks in an average."""

MOST_OF_ALL_LAYERS = 500
"""The most layers of all members, including heads: each has up to four arrays in a checkpoint."""

SEPARATORS = {"bar": "|", "comma": ",", "semicolon": ";", "space": " "}

SPELT: dict[str, dict[str, Any]] = {
    "keep_newlines": {"keep": True, "change": False},
    "separator": SEPARATORS,
}
"""Settings that are spelt as words on the command line."""


@dataclass(frozen=True)
class Config:
    """Everything that decides what a run computes, besides its data.

    A setting that does not apply to the task has its default.

    Raises:
        InputError: a value is of the wrong type, out of range, or does not apply to the task.
    """

    task: str = "lm"
    # the text
    level: str = _one_of("char", LEVELS)
    encoding: str = "utf-8"
    keep_newlines: bool = False
    val_fraction: float = _within(0.1, 0, 0.9)
    lines: bool = False
    columns: str = ""
    named: str = ""  # the names of the columns read; found, not given
    column: int = _within(0, 0, 1 << 10, own=True)
    longest: int = _within(0, 0, 1 << 30, own=True)
    escapes: str = _one_of("auto", ("auto", "yes", "no"), own=True)
    decimal: str = _one_of("point", DECIMAL, own=True)
    missing: str = _one_of("error", MISSING, own=True)
    # of a series; runs that did not note the first two used these defaults
    index: str = _one_of("keep", ("leave", "keep"), own=True)
    base: str = _one_of("none", ("linear", "last", "none"), own=True)
    difference: str = _like("auto", r"auto|\d{1,4}(\+\d{1,4})?", "auto, 0, 1, 12 or 1+12", own=True)
    log: str = _one_of("auto", ("auto", "yes", "no"), own=True)
    season: str = _like("auto", r"auto|\d{1,4}", "auto, 0 for none, or its rows", own=True)
    # the model
    cell: str = "lstm"
    layers: int = _within(1, 0, 64)
    hidden: int = _within(256, 1, 1 << 15)
    embedding: int = _within(0, 0, 1 << 15)
    dropout: float = _within(0.0, 0, 0.95)
    directions: str = _one_of("forward", ("forward", "backward", "both"), own=True)
    readout: str = _one_of("max", ("last", "mean", "max"), own=True)
    attention: str = _one_of("luong", ("luong", "none"), own=True)
    loss: str = _one_of("softmax", ("softmax", "sigmoid"), own=True)
    separator: str = _one_of("|", tuple(SEPARATORS.values()), own=True)
    head: str = _one_of("free", ("free", "tied"), own=True)
    mask: str = _one_of("sequence", MASKS, own=True)
    reset: int = _within(0, 0, 1 << 40, own=True)  # earlier runs always carried the state
    wide: int = _within(0, 0, 1 << 28, own=True)
    # the training
    seq_len: int = _within(64, 1, 1 << 20)
    batch_size: int = _within(32, 1, 1 << 20)
    shards: int = _within(0, 0, 1 << 10)
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
    noise: float = _within(0.0, 0, 0.9, own=True)
    members: int = _within(1, 1, MOST_MEMBERS)
    seed: int = _within(0, 0, 2**128)
    eval_every: int = _within(0, 0, 1 << 40)
    sample_every: int = _within(0, 0, 1 << 40)
    # a checkpoint only names it: your own cell
    own_cell: LoadedCell | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        for setting in _settings():
            self._check(setting)
        try:
            codecs.lookup(self.encoding)
        except (LookupError, TypeError, ValueError):
            raise InputError(
                f"unknown encoding {self.encoding!r}", "for example utf-8, latin-1, cp1252"
            ) from None
        if self.head == "tied" and (not self.layers or self.embedding not in (0, self.hidden)):
            raise InputError(
                f"--task {self.task},head=tied: a tied head needs an embedding as wide as a layer",
                "leave out --embedding, and --layers 0",
            )
        if self.separator != "|" and self.loss != "sigmoid":
            raise InputError(
                f"--task {self.task},separator=: with loss={self.loss} each row has one label",
                f"for several labels a row: --task {self.task},loss=sigmoid,separator=...",
            )
        if self.members > 1 and not self.kind.averages:
            raise InputError(
                f"--members {self.members}: a forecast cannot be an average of networks",
                "leave it out",
            )
        if self.members > 1 and self.members * (self.layers + 1) > MOST_OF_ALL_LAYERS:
            raise InputError(
                f"--members {self.members} --layers {self.layers}: too many layers for a "
                "checkpoint",
                f"{MOST_OF_ALL_LAYERS // (self.layers + 1)} members with this many layers, or "
                "fewer",
            )
        try:
            self.recurrence()
        except UnknownCellError as error:
            raise InputError(f"--cell {self.cell}: {error}") from None

    def _check(self, setting: Field[Any]) -> None:
        """Raise InputError unless a setting has a valid value."""
        name, value, rule = setting.name, getattr(self, setting.name), setting.metadata
        option = self._option(name)
        _check_type(setting, value, option)
        words = self.kind.own.get(name) or rule.get("words")
        if not _has(self.kind, setting) and value != setting.default:
            raise _meaningless(self.kind, name, option + typed(value))
        if words and value not in words:
            raise InputError(f"--{option}{value}: choose from {', '.join(words)}")
        if "pattern" in rule and not re.fullmatch(rule["pattern"], value):
            raise InputError(f"--{option}{value}: give {rule['such']}")
        if "low" in rule and not rule["low"] <= value <= rule["high"]:
            least, most = f"{typed(rule['low'])} or more", f"{typed(rule['high'])} or less"
            limit = most if value > rule["high"] else least
            raise InputError(f"--{option}{typed(value)}: must be {limit}")
        if type(setting.default) is float:  # so epochs=2 and --epochs 2 make the same file
            object.__setattr__(self, name, float(value))

    def _option(self, name: str) -> str:
        """The setting's option on the command line, up to its value."""
        if next(s for s in _settings() if s.name == name).metadata.get("own"):
            return f"task {self.task},{name}="
        if name in GIVEN_IN:
            of, word = GIVEN_IN[name]
            return f"{of} {getattr(self, of)},{word}="
        return name.replace("_", "-") + " "

    @property
    def kind(self) -> Kind:
        """The task.

        Raises:
            InputError: no task has that name.
        """
        return kind_of(self.task)

    @property
    def held_out(self) -> HeldOut:
        """How a text is split in two."""
        return HeldOut(self.val_fraction, self.seed if self.lines else None)

    @property
    def cell_option(self) -> str:
        """The option that commands need besides such a model: its own cell; empty if built in."""
        return "" if self.own_cell is None else f" --cell {quote(self.cell)}"

    @property
    def own_settings(self) -> dict[str, Any]:
        """The settings in which this task may differ from a language model."""
        names = dict.fromkeys((*self.kind.defaults, *self.kind.own))
        if self.loss != "sigmoid":  # a row has one label
            names.pop("separator", None)
        return {name: getattr(self, name) for name in names}

    @classmethod
    def of(cls, task: str = "lm", **settings: Any) -> "Config":
        """The settings of a task: its defaults, except for those given.

        Raises:
            InputError: as for the class, or there is no such setting.
        """
        known = {setting.name for setting in _settings()}
        for name in settings:
            if name not in {*known, "own_cell"}:
                raise InputError(f"there is no setting {name!r}", _close(name, known))
        return cls(**{**kind_of(task).defaults, "task": task, **settings})

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Parse settings as the user gives them, for :meth:`of`.

        ``task``, ``schedule``, ``optimizer`` and ``encoding`` may have variants after commas:
        ``tag,directions=forward``, ``cosine,warmup=0.1``, ``adamw,clip=0.5``,
        ``latin-1,newlines=keep``.

        Raises:
            InputError: a word or a variant is unknown, or a setting does not apply to the task (the
                hint lists what would do), or is given twice.
        """
        settings = dict(given)
        for name, meant in (("own_cell", "cell"), ("named", "columns")):
            if name in settings:
                raise InputError(f"there is no setting {name!r}", f"did you mean {meant!r}?")
        for option in dict.fromkeys(("task", *(of for of, _ in GIVEN_IN.values()))):
            if option in settings:
                text = as_type(option, settings[option], str)
                parse = cls._parse_task if option == "task" else cls._parse_with_variants
                parsed = parse(option, text)
                for name in parsed:
                    if name in given and name != option:
                        raise InputError(f"--{option} {text}: {name} is given twice")
                settings |= parsed
        kind = kind_of(settings.get("task", cls.task))
        for name in given:
            if name in kind.without:
                raise _meaningless(kind, name, name.replace("_", "-"))
        cell = settings.get("cell")
        if isinstance(cell, str) and split_cell(cell) is not None:
            try:
                settings["own_cell"] = load_cell(cell, 1)
            except UnknownCellError as error:
                raise InputError(f"--cell {cell}: {error}") from None
        return settings

    @classmethod
    def _parse_task(cls, option: str, text: str) -> dict[str, Any]:
        task, variants = text.split(",")[0].strip(), text.split(",")[1:]
        kind = kind_of(task)
        for variant in variants:
            name = variant.partition("=")[0].strip()
            if name in kind.without:
                raise _meaningless(kind, name, f"task {task},{variant.strip()}")
        names = {name: name for name in kind.own}
        return {option: task, **cls._parse_variants(option, text, task, variants, names)}

    @classmethod
    def _parse_with_variants(cls, option: str, text: str) -> dict[str, Any]:
        what, *variants = text.split(",")
        words = cls.__dataclass_fields__[option].metadata.get("words")
        if words and what.strip() not in words:
            raise InputError(f"--{option} {what.strip()}: choose from {', '.join(words)}")
        names = {word: name for name, (of, word) in GIVEN_IN.items() if of == option}
        settings = cls._parse_variants(option, text, what.strip(), variants, names)
        return {option: what.strip(), **settings}

    @classmethod
    def _parse_variants(
        cls, option: str, text: str, what: str, variants: list[str], names: Mapping[str, str]
    ) -> dict[str, Any]:
        """Parse ``name=word`` variants: the settings of those names, by their defaults' types."""
        settings: dict[str, Any] = {}
        for variant in variants:
            name, _, word = (part.strip() for part in variant.partition("="))
            if name not in names:
                raise InputError(
                    f"--{option} {text}: {what} has no variant {name!r}",
                    f"its variants: {', '.join(names) or 'none'}",
                )
            if names[name] in settings:
                raise InputError(f"--{option} {text}: {name} is given twice")
            spelt = SPELT.get(names[name])
            if spelt is not None and word not in spelt:
                raise InputError(f"--{option} {text}: {name} is {' or '.join(spelt)}")
            try:
                read = spelt.__getitem__ if spelt else type(getattr(cls, names[name]))
                settings[names[name]] = read(word)
            except ValueError:
                raise InputError(f"--{option} {text}: {name}={word} is not a number") from None
        return settings

    def lanes(self, examples: int) -> int:
        """How many sequences are read side by side: fewer for a short sequence."""
        least = self.kind.lane
        return max(1, min(self.batch_size, examples // least)) if least else self.batch_size

    def long_enough(self, examples: int) -> "Config":
        """These settings, with more epochs where there are so few examples that they need them."""
        of_an_update = self.lanes(examples) * (self.seq_len if self.kind.carried else 1)
        updates = -(-examples // of_an_update)
        least = self.kind.least_updates / max(1, updates)
        return replace(self, epochs=float(ceil(least))) if self.epochs < least else self

    def recurrence(self) -> Cell[Any]:
        """The cell."""
        if self.own_cell is not None:
            return self.own_cell.cell.resized(self.hidden)
        return parse_cell(self.cell, self.hidden)

    def to_json(self) -> dict[str, Any]:
        """A dictionary for :meth:`from_json`; it only names the cell."""
        found = {setting.name: getattr(self, setting.name) for setting in _settings()}
        if self.members == 1:  # so that earlier versions can read these files
            del found["members"]
        return found

    @classmethod
    def from_json(cls, data: Mapping[str, Any], own_cell: LoadedCell | None = None) -> "Config":
        """The inverse of :meth:`to_json`, for data from any source.

        Args:
            own_cell: your own cell, where ``data`` name one.

        Raises:
            InputError: a setting is unknown, or its value is of the wrong type or out of range.
        """
        known = {setting.name: setting for setting in _settings()}
        settings = dict(data)
        for name, value in data.items():
            if name not in known:
                raise InputError(f"unknown setting {name!r}")
            _check_type(known[name], value, f"{name} ")
        kind = kind_of(settings.get("task", cls.task))
        for name in data:
            if not _has(kind, known[name]):
                del settings[name]  # earlier versions also noted settings of other tasks
        return cls(**settings, own_cell=own_cell)


def _settings() -> tuple[Field[Any], ...]:
    """The settings that are given and saved."""
    return tuple(setting for setting in fields(Config) if setting.name != "own_cell")


def _has(kind: Kind, setting: Field[Any]) -> bool:
    """Whether a setting applies to a task."""
    own = setting.metadata.get("own", False)
    return setting.name in kind.own if own else setting.name not in kind.without


def _meaningless(kind: Kind, name: str, given: str) -> InputError:
    why = kind.without.get(name)
    return InputError(
        f"--{given} does not apply to --task {kind.name}" + (f": {why}" if why else ""),
        "leave it out",
    )


def _check_type(setting: Field[Any], value: object, option: str) -> None:
    """Raise InputError unless a value is of its default's type; an int counts as a float."""
    as_type(f"--{option.strip()}", value, type(setting.default))


def _close(name: str, known: Iterable[str]) -> str:
    """A suggestion of a name that is close; empty if none is."""
    near = get_close_matches(name, known)
    return (
        f"did you mean {near[0]!r}?" if near else (f"the settings are {', '.join(sorted(known))}")
    )
