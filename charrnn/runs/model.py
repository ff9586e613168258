"""A trained model: how it is read from a checkpoint, and what can be done with it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from charrnn.checkpoint import read_checkpoint, write_checkpoint
from charrnn.errors import CheckpointError, InputError, as_type
from charrnn.evaluation.characters import Characters, score_text
from charrnn.nn.cells import CellError
from charrnn.nn.ensemble import Average, average_of
from charrnn.nn.parameters import Parameters
from charrnn.nn.products import one_thread
from charrnn.nn.types import Array
from charrnn.own_cells import LoadedCell
from charrnn.runs.find import find_checkpoint, shipped_model
from charrnn.runs.own_cell import loaded_again
from charrnn.runs.writes import Writes
from charrnn.tasks.base import Prediction, Trained
from charrnn.tasks.config import MOST_MEMBERS, Config
from charrnn.tasks.examples import checked
from charrnn.tasks.lm import TextSpec, opening_of
from charrnn.tasks.shares import settled
from charrnn.tasks.writing import Author, Wanted
from charrnn.text.vocab import Vocabulary

if TYPE_CHECKING:
    from charrnn.runs.labelled import Evaluated

__all__ = ["MEMBERS", "Model", "load", "load_model", "reason"]


MEMBERS = "members"
"""The entry of a checkpoint's header with the number of networks, where there are several."""

LONGEST_SETTING = 1 << 13
"""The most characters of a setting; the longest is the name of a file that defines a cell."""

LONGEST_REASON = 500


@dataclass(frozen=True, repr=False, eq=False)
class Model(Trained, Writes):
    """A trained model.

    Attributes:
        config: the settings of its training.
        parameters: its weights by name, each ``(…)`` float32.
        path: its checkpoint file.
        header: everything else in the checkpoint's description.
        arrays: the checkpoint's arrays other than the weights.
    """

    path: Path
    header: Mapping[str, Any]
    arrays: Mapping[str, Array]

    def __repr__(self) -> str:
        config, knows = self.config, self.spec.knows()
        size = f"{config.layers} × {config.hidden}"
        if self.members > 1:
            size = f"mean of {self.members} times {size}"
        known = ", ".join(f"{len(what)} {name}" for name, what in knows.items())
        return (
            f"<Model {self.path}: {config.task}, {size} {config.cell}, "
            f"{self.parameters.flat.size:,} parameters; {known}>"
        )

    @property
    def name(self) -> str:
        """What messages call the model."""
        return str(self.path)

    @property
    def members(self) -> int:
        """How many networks it averages; most models are 1."""
        return self.network.count if isinstance(self.network, Average) else 1

    def member(self, number: int) -> "Model":
        """One network of an average, as a model. Number 1 of any other model is the model itself.

        Args:
            number: which one, from 1.

        Raises:
            InputError: the number is too high.
        """
        as_type("member", number, int, 1)
        if number > self.members:
            there = f"{self.members} networks" if self.members > 1 else "one network"
            raise InputError(f"there is no member {number}: {self.path} is {there}")
        if not isinstance(self.network, Average):
            return self
        network = self.network.member
        parameters = Parameters(network.shapes(), self.parameters.dtype)
        parameters.fill(self.network.parts(self.parameters)[number - 1])
        config = replace(self.config, members=1)
        header = {name: value for name, value in self.header.items() if name != MEMBERS}
        header["config"] = config.to_json()
        return replace(self, network=network, parameters=parameters, config=config, header=header)

    @property
    def vocabulary(self) -> Vocabulary:
        """The characters of a language model.

        Raises:
            InputError: the model is of another kind.
        """
        if not isinstance(self.spec, TextSpec):
            raise InputError(
                f"{self.path} is not a language model; its task is {self.config.task}", self.usage
            )
        return self.spec.vocabulary

    @property
    def usage(self) -> str:
        """The command that uses the model."""
        return self.config.kind.usage.replace("RUN", self.name) + self.config.cell_option

    @property
    def temperature(self) -> float:
        """The temperature at which the model writes by default: 0.8, and 0.5 for long labelled
        texts."""
        found: float = getattr(self.spec, "temperature", super().temperature)
        return found

    def author(self, wanted: Wanted) -> Author:
        """Return what writes texts with the model.

        Raises:
            InputError: it does not write, or does not know the prime's characters or the label.
        """
        author = self.config.kind.author
        if author is None:
            raise InputError(
                f"{self.path} writes no texts; its task is {self.config.task}", self.usage
            )
        found: Author = author(self, wanted)
        return found

    def trained_on(self, train: Sequence[str] = ()) -> tuple[Array, ...]:
        """Code points or bytes of the training text, or of the files that hold it.

        Raises:
            InputError: the training text is missing, and no file is named.
        """
        from charrnn.runs.trained_on import codes_trained_on  # that module imports this one

        return (codes_trained_on(self, train),)

    def score(self, text: str) -> Characters:
        """Score a text with a language model: the loss of each character, in nats.

        The first character is predicted from the state in which :meth:`sample` begins without a
        prime: after a line end, when the model has just ended a paragraph or a line
        (:func:`charrnn.sampling.opening`). A character that the model does not know costs 27.7
        nats (:mod:`charrnn.text.escapes`).

        Raises:
            InputError: the text is empty, or this is not a language model.
            DivergedError: the outputs are not finite.
        """
        as_type("text", text, str)
        vocabulary, state = self.vocabulary, opening_of(self)
        found = score_text(self.network, self.parameters, vocabulary, text, state)
        self.check_finite(found.nats)
        return found

    def predict(
        self,
        inputs: str | Sequence[str] | npt.ArrayLike,
        *,
        beam: int = 1,
        steps: int = 1,
        top: int | None = None,
        threshold: float | None = None,
        tabs: bool = False,
        method: str = "network",
    ) -> list[Prediction]:
        """Classify, tag or translate texts, or forecast a series of numbers.

        Args:
            inputs: one text or several. For a forecast, ``(N, D)`` numbers or a CSV file's name.
            beam: the beam width of a translation; 1 is greedy.
            steps: how many rows to forecast.
            top: how many labels a classification gives, likeliest first.
            threshold: the least probability of the labels of a classification. Default: 0.5 if a
                text can have several labels, else the likeliest label.
            tabs: whether texts may contain tabs, as the cells of CSV and JSON may. Otherwise a
                text with a tab is an error, because it looks like a row of a table.
            method: ``"network"``, or ``"baseline"``: the baseline fitted beside it.

        Returns:
            For each text, the task's result: :class:`charrnn.tasks.classify.Classification`,
            :class:`charrnn.tasks.tag.Tagging` or :class:`charrnn.tasks.translate.Translation`; for
            a series, one :class:`charrnn.tasks.ahead.Forecast`.

        Raises:
            InputError: a text is empty, an option is another task's, the model writes texts, or it
                holds no baseline.
            DivergedError: the outputs are not finite.
        """
        kind = self.config.kind
        if kind.predict is None:
            raise InputError(f"{self.path} writes texts; it does not predict", self.usage)
        options = {
            "beam": as_type("beam", beam, int, 1),
            "steps": as_type("steps", steps, int, 1),
            "top": None if top is None else as_type("top", top, int, 1),
            "threshold": None if threshold is None else as_type("threshold", threshold, float, 0),
        }
        if threshold is not None and threshold > 1:
            raise InputError(f"threshold must be a probability, got {threshold!r}")
        for name, value in options.items():
            if name not in kind.options and value not in (None, 1):
                raise InputError(f"this model's task is {kind.name}, which has no {name}")
        if isinstance(inputs, str):
            inputs = [inputs]
        if "steps" not in kind.options:
            if not isinstance(inputs, Sequence):
                raise InputError(f"texts must be a list, got {inputs!r}")
            rows = enumerate(inputs, 1)
            texts = [checked(as_type("a text", text, str), row, tabs=tabs) for row, text in rows]
            inputs = [text.strip(kind.margin) for text in texts]
        answer = self._answering(method)
        with one_thread():
            own = {name: value for name, value in options.items() if name in kind.options}
            found: list[Prediction] = answer(inputs, **own)
        return found

    def _answering(self, method: str) -> Callable[..., Any]:
        """The function that predicts: the network's, or the baseline's.

        Raises:
            InputError: there is no such method, or the checkpoint holds no baseline.
        """
        kind = self.config.kind
        assert kind.predict is not None
        if as_type("method", method, str) == "network":
            return partial(kind.predict, self)
        if method != "baseline":
            raise InputError(f"method {method!r}: choose from network, baseline")
        if kind.refitted is not None:
            from charrnn.runs.labelled import training_data

            if "baseline" not in self.kept:
                self.kept["baseline"] = kind.refitted(self, training_data(self))
            found: Callable[..., Any] = self.kept["baseline"]
            return found
        if kind.baseline is None:
            raise InputError(f"the task {kind.name} has no baseline that can predict")
        return kind.baseline(self)

    def evaluate(self, *files: str, train: Sequence[str] = (), columns: str = "") -> "Evaluated":
        """Measure a model on labelled data, as ``charrnn eval`` does; not for language models.

        Args:
            files: new data, in the form of the training data. Default: the run's test part.
            train: the training data, if the run does not lead to them.
            columns: columns of ``files``, by name or number, with commas between, in the task's
                order. Default: those of the training data.

        Raises:
            InputError: a file cannot be read, there is nothing to measure, or this is a language
                model.
            DivergedError: the outputs are not finite.
        """
        from charrnn.runs.labelled import evaluate_labelled

        if self.config.kind.text:
            raise InputError(f"{self.path} is a language model", "score() gives the loss of a text")
        return evaluate_labelled(self, files, train, columns=as_type("columns", columns, str))

    def known_form(self, text: str) -> str:
        """What to say of a text that :meth:`predict` reads with unknown characters.

        Empty, if the text cannot be written so that the model knows every character.
        """
        alphabet = getattr(self.spec, "alphabet", getattr(self.spec, "source", None))
        if alphabet is None or not alphabet.unknown(text):
            return ""
        known = alphabet.vocabulary.known_form(text)
        return f"with {known[0]} the model knows all of {text!r}: {known[1]!r}" if known else ""

    def save(self, path: str | Path) -> None:
        """Write the model alone, to be shared: its weights, settings and history.

        Raises:
            InputError: the name does not end in ``.npz``.
            CheckpointError: the file cannot be written; an earlier one is unchanged.
        """
        path = Path(path)
        if path.suffix != ".npz":
            raise InputError(
                f"{str(path)!r} is not the name of a checkpoint", "use a name that ends in .npz"
            )
        header = {name: value for name, value in self.header.items() if name != "training"}
        write_checkpoint(path, header, dict(self.parameters))


def load(checkpoint: str | Path | None = None, *, cell: str | None = None) -> Model:
    """Load a trained model.

    Args:
        checkpoint: an ``.npz`` file, a run's folder or a run's name; if not given, the small model
            that comes with charrnn.
        cell: ``FILE.py:CLASS``, for a model that uses your own cell.

    Raises:
        InputError: there is no such model, or its cell must be named.
        CheckpointError: the file is damaged.
    """
    if checkpoint is None:
        return load_model(shipped_model(), cell)
    return load_model(find_checkpoint(str(checkpoint))[0], cell)


def load_model(path: Path, cell: str | LoadedCell | None = None, *, exactly: bool = False) -> Model:
    """Read a checkpoint and build its model.

    Args:
        cell: for a model that uses your own cell, ``FILE.py:CLASS`` or the loaded cell.
        exactly: whether the cell's source must be the one that the model was trained with, and the
            file bit for bit the one that was written. Then the weights are those that train, before
            they are multiplied by any shares (:mod:`charrnn.tasks.shares`).

    Raises:
        CheckpointError: the file cannot be read, or its parts do not fit together.
        InputError: the cell must be named.
        CellError: the cell does not work.
    """
    header, arrays = read_checkpoint(path, exactly=exactly)
    settings = header.get("config")
    if isinstance(settings, dict):
        longest = max((len(str(part)) for pair in settings.items() for part in pair), default=0)
        if longest > LONGEST_SETTING:
            raise CheckpointError(
                f"{path} does not hold a model: a setting has {longest:,} characters"
            )
    own_cell = cell
    if not isinstance(own_cell, LoadedCell):
        own_cell = loaded_again(header, own_cell, str(path), exactly=exactly)
    try:
        config = Config.from_json(header["config"], own_cell)
        spec = config.kind.spec(header[config.kind.key])
        network = spec.model(config)
        if MEMBERS in header:
            network = _average(network, config, header[MEMBERS])
        shapes = network.shapes()
        for name, shape in shapes.items():
            if arrays[name].shape != shape or arrays[name].dtype.str != "<f4":
                raise ValueError(f"{name} does not fit the model")
        parameters = Parameters(shapes, np.float32)
        for name in shapes:
            parameters[name][...] = arrays.pop(name)
        if not np.isfinite(parameters.flat).all():
            raise ValueError("a weight is not a finite number")
        if not exactly and MEMBERS not in header:
            whole, parameters = settled(spec, parameters)
            if whole is not spec:
                spec, header = whole, header | {config.kind.key: whole.to_header()}
    except CellError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, InputError) as error:
        raise CheckpointError(f"{path} does not hold a model: {reason(error)}") from error
    return Model(network, parameters, spec, config, path, header, arrays)


def _average(network: Any, config: Config, count: Any) -> Average[Any]:
    """The average of ``count`` networks.

    Raises:
        ValueError: the count is out of range, or the task has no averages.
    """
    if type(count) is not int or not 1 < count <= MOST_MEMBERS or not config.kind.averages:
        raise ValueError(f"not an average of networks: {count!r}")
    return average_of(network, count)


def reason(error: Exception) -> str:
    """What is wrong with a file, in a line that is not too long."""
    text = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} ..."
