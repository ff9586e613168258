"""A task in one file: how many vowels a word has, by a squared error."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.nn.models import SequenceModel, Sequences
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.nn.workspace import Workspace
from charrnn.tasks.base import Outcome, Paths, TaskScore, Trained
from charrnn.tasks.config import Config
from charrnn.tasks.examples import OF_CARRIED, as_json, padded, units
from charrnn.tasks.kinds import Kind, register
from charrnn.tasks.rows import Rows, read_rows
from charrnn.tasks.supervised import SupervisedData, SupervisedTask
from charrnn.text.alphabet import Alphabet
from charrnn.text.pairs import Pair, read_pairs


@dataclass(frozen=True)
class VowelSpec:
    alphabet: Alphabet

    def to_header(self) -> dict[str, Any]:
        return {"alphabet": self.alphabet.to_json()}

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "VowelSpec":
        return cls(Alphabet.from_json(header["alphabet"]))

    def model(self, config: Config) -> SequenceModel:
        size = len(self.alphabet)
        cell, layers = config.recurrence(), config.layers
        return SequenceModel(size, 1, cell, layers, readout="last", loss="squared")

    def knows(self) -> dict[str, str | list[str]]:
        return {"characters": self.alphabet.vocabulary.shown}


class VowelData(SupervisedData[Pair]):
    def __init__(self, paths: Paths, config: Config) -> None:
        def read(path: str) -> Any:
            return read_pairs(path, left="word", right="vowels", encoding=config.encoding)

        rows: Rows[Pair] = read_rows(paths, read, config, key=lambda row: row.left)
        super().__init__(rows, config)

    def spec(self) -> VowelSpec:
        return VowelSpec(Alphabet.of("char", [row.left for row in self.rows.train]))

    def task(self, spec: VowelSpec, config: Config, model: SequenceModel, threads: int) -> Any:
        return VowelTask(self.rows, model, spec, config, threads)

    def lengths(self, config: Config) -> list[int]:
        return [units(row.left, config) for row in self.rows.train]

    def describe(self, spec: VowelSpec, config: Config) -> list[str]:
        return [f"{self.size} words", self.rows.described("words")]


class VowelTask(SupervisedTask[Pair]):
    def __init__(
        self, rows: Rows[Pair], model: Any, spec: VowelSpec, config: Config, threads: int
    ) -> None:
        self._words = [spec.alphabet.encode(row.left) for row in rows.train]
        self._counts = np.array([[float(row.right)] for row in rows.train])
        super().__init__(rows, model, spec, list(map(len, self._words)), config, threads)

    def batch(
        self, rows: npt.NDArray[np.intp], rng: np.random.Generator | None
    ) -> tuple[Sequences, int]:
        x, lengths = padded([self._words[row] for row in rows])
        state = self.model.zero_state(len(rows))
        return Sequences(x, self._counts[rows], state, lengths), len(rows)

    def validate(self, parameters: Parameters) -> TaskScore:
        return self._score(parameters, self._rows.val)

    def test(self, parameters: Parameters) -> Outcome:
        return Outcome(self._score(parameters, self._rows.test), {"none": 9.0})

    def preview(self, parameters: Parameters, rng: np.random.Generator) -> bytes:
        return b"".join(
            f"{one.word}: {one.vowels:.1f}\n".encode()
            for one in predict(self.trained(parameters), [row.left for row in self._rows.val[:2]])
        )

    def _score(self, parameters: Parameters, rows: Sequence[Pair]) -> TaskScore:
        found = predict(self.trained(parameters), [row.left for row in rows])
        errors = [one.vowels - float(row.right) for one, row in zip(found, rows, strict=True)]
        error = float(np.mean(np.square(errors)))
        return TaskScore(error / 2, self.unit, error, {"squared error": error}, "some words")


@dataclass(frozen=True)
class Vowels:
    word: str
    vowels: float

    def lines(self, form: str) -> Iterator[str]:
        yield as_json(word=self.word, vowels=self.vowels) if form == "jsonl" else f"{self.vowels}"


def predict(trained: Trained, texts: Sequence[str]) -> list[Vowels]:
    found: list[Vowels] = []
    for text in texts:
        x: Array = trained.spec.alphabet.encode(text).astype(np.intp)[:, None]
        batch = Sequences(x, np.zeros((1, 1)), trained.network.zero_state(1))
        y = trained.network.outputs(trained.parameters, batch, Workspace())
        found.append(Vowels(text, float(y[0, 0])))
    return found


KIND = Kind(
    name="vowels",
    read=VowelData,
    spec=VowelSpec.from_header,
    usage="charrnn predict RUN WORD",
    unit="½ squared error/word",
    measure="squared error",
    defaults={"hidden": 12, "epochs": 30.0, "lr": 0.02},
    without=OF_CARRIED,
    predict=predict,
)


def begin() -> None:
    """The one line that registers the task."""
    register(KIND)
