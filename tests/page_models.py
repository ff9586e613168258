"""Small language models with drawn weights, and their pages run in Node."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import ROOT

from charrnn.nn.ensemble import average_of
from charrnn.page.export import write_page
from charrnn.runs.model import Model
from charrnn.tasks.config import Config
from charrnn.tasks.generate import GenerateSpec
from charrnn.tasks.lm import TextSpec
from charrnn.text.alphabet import Alphabet
from charrnn.text.vocab import Vocabulary, codes_of

__all__ = [
    "GREEDY",
    "KNOWN",
    "answers",
    "drawn_model",
    "greedy",
    "labelled_model",
    "needs_node",
    "node",
    "write_pages",
]

KNOWN = "\n aäbcdefghijklmno.—漢😀"
GREEDY = {"temperature": 0, "topK": 0, "topP": 1, "minP": 0}


@lru_cache
def node() -> str:
    """The path of Node; a test skips without it."""
    found = shutil.which("node")
    if found is None:
        return ""
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True)
    return found if int(version.stdout.strip().lstrip("v").split(".")[0]) >= 18 else ""


needs_node = pytest.mark.skipif(not node(), reason="Node 18 or later is not there")


def drawn_model(
    path: Path,
    *,
    level: str = "char",
    known: str = KNOWN,
    scale: float = 0.8,
    seed: int = 0,
    header: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Model:
    """A model that nobody trained, but surer of itself than a new one is.

    With a larger ``scale`` its states grow, and so does what rounding does to them.
    """
    given: dict[str, Any] = {"hidden": 24, "level": level} | settings
    config = Config.of(**given)
    spec = TextSpec(Vocabulary.of(level, codes_of(known, level)))
    network: Any = spec.model(config)
    if config.members > 1:
        network = average_of(network, config.members)
    parameters = network.init(np.random.default_rng(seed))
    parameters.flat[:] *= scale
    for name in parameters:
        if name.endswith("head.W"):
            parameters[name][...] *= 2
    biases = parameters.flat[parameters.num_matrix :]
    biases += np.random.default_rng(seed + 1).normal(0, 0.1, len(biases)).astype(np.float32)
    return Model(network, parameters, spec, config, path, header or {}, {})


def labelled_model(path: Path, labels: Sequence[str], **settings: Any) -> Model:
    """An untrained model of labelled texts that ends a text now and then."""
    config = Config.of(**{"task": "generate", "hidden": 24, "dropout": 0.0, **settings})
    spec = GenerateSpec(tuple(labels), Alphabet.of(config.level, [KNOWN]), 40)
    network: Any = spec.model(config)
    if config.members > 1:
        network = average_of(network, config.members)
    parameters = network.init(np.random.default_rng(0))
    for name in parameters:
        if name.endswith("head.W"):
            parameters[name][...] *= 2
        elif name.endswith("head.b"):
            parameters[name][2] = 1
    return Model(network, parameters, spec, config, path, {}, {})


def greedy(symbols: Sequence[int], length: int) -> dict[str, Any]:
    """A message that asks for the likeliest continuation."""
    return {
        "type": "write",
        "symbols": list(symbols),
        "prompt": len(symbols),
        "length": length,
        "how": GREEDY,
        "stops": [],
        "seed": "0",
    }


def answers(asked: Sequence[tuple[Path, Sequence[Mapping[str, Any]]]]) -> list[list[Any]]:
    """The answers of pages to messages, without the one sent when they are ready."""
    found = subprocess.run(
        [node(), str(ROOT / "tests" / "page_worker.mjs")],
        input=json.dumps([[str(path), list(messages)] for path, messages in asked]),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert found.returncode == 0, found.stderr
    of_pages: list[list[dict[str, Any]]] = json.loads(found.stdout)
    for of_page in of_pages:
        assert [answer.get("error") for answer in of_page if "error" in answer] == []
    return [of_page[1:] for of_page in of_pages]


def write_pages(folder: Path, models: Mapping[str, Model], precision: str) -> list[Path]:
    """A page for each model."""
    paths = [folder / f"{number}-{precision}.html" for number in range(len(models))]
    for path, model in zip(paths, models.values(), strict=True):
        write_page(model, path, precision=precision)
    return paths
