"""Models to export that nobody trained, and the packages that exports need."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.checkpoint import write_checkpoint
from charrnn.nn.types import Array
from charrnn.runs.model import Model, load_model
from charrnn.tasks.config import Config

__all__ = [
    "KNOWN",
    "SPECS",
    "checkpoint_of",
    "close",
    "drawn",
    "needs_onnx",
    "needs_safetensors",
    "needs_torch",
]

KNOWN = "\n aäbcdefghijklmno.—漢😀"
CLOSE = 1e-5

ALPHABET = {"level": "char", "codes": [97, 98, 99]}
SPECS: dict[str, dict[str, Any]] = {
    "classify": {"alphabet": ALPHABET, "labels": ["x", "y\x1b"]},
    "tag": {"alphabet": ALPHABET, "tags": ["O", "B"]},
    "translate": {"source": ALPHABET, "target": ALPHABET, "longest": 9, "ratio": 1.5},
    "generate": {"alphabet": ALPHABET, "labels": ["x", "y"], "longest": 9},
    "forecast": {"columns": ["t"], "mean": [0.5], "deviation": [2.0]},
}


def checkpoint_of(path: Path, header: Mapping[str, Any], **settings: Any) -> Model:
    """An untrained model with large weights, made from a checkpoint's header."""
    config = Config.of(**{"hidden": 16} | settings)
    spec = config.kind.spec(header)
    parameters = spec.model(config).init(np.random.default_rng(0))
    parameters.flat[:] *= 0.8
    for name, scale in (("head.W", 3), ("embedding.W", 1 if "head.W" in parameters else 8)):
        if name in parameters:
            parameters[name][...] *= scale
    biases = parameters.flat[parameters.num_matrix :]
    biases += np.random.default_rng(1).normal(0, 0.1, len(biases)).astype(np.float32)
    write_checkpoint(
        path, {"config": config.to_json(), config.kind.key: dict(header)}, dict(parameters)
    )
    return load_model(path)


def drawn(folder: Path, known: str = KNOWN, **settings: Any) -> Model:
    """A language model."""
    level = settings.get("level", "char")
    symbols = "".join(sorted(known)) if level == "char" else ""
    return checkpoint_of(folder / "m.npz", {"level": level, "symbols": symbols}, **settings)


def close(actual: Array, expected: Array) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=CLOSE)


def needs_onnx() -> Any:
    """ONNX Runtime."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    return pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def needs_safetensors() -> Any:
    return pytest.importorskip("safetensors", reason="safetensors is not installed")


def needs_torch() -> Any:
    return pytest.importorskip("torch", reason="torch is not installed")
