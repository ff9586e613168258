"""Initial weights: orthogonal recurrences, unit rows for symbols, Glorot elsewhere."""

import numpy as np

from charrnn.nn.types import Array

__all__ = ["glorot", "orthogonal", "unit_rows"]


def glorot(rng: np.random.Generator, shape: tuple[int, int], blocks: int = 1) -> Array:
    """Uniform in ±√(6 / (rows + columns)) for each of ``blocks`` gates side by side.

    Glorot and Bengio (2010), "Understanding the difficulty of training deep feedforward neural
    networks", equation 16. Each gate is a separate matrix, so the joined width does not count.

    Returns:
        ``shape``, float64.
    """
    rows, columns = shape
    limit = np.sqrt(6.0 / (rows + columns // blocks))
    return rng.uniform(-limit, limit, shape)


def unit_rows(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Standard normal: for a matrix of which each step reads one row.

    LeCun et al. (1998), "Efficient backprop", asks for a variance of 1 / fan-in; a one-hot input
    has a fan-in of one, however many symbols there are. Glorot's rule, which counts them all,
    makes the input so faint beside the state that training is several times slower (docs/log.md).

    Returns:
        ``shape``, float64.
    """
    return rng.standard_normal(shape)


def orthogonal(rng: np.random.Generator, size: int, blocks: int = 1) -> Array:
    """``blocks`` random orthogonal ``(size, size)`` matrices side by side.

    Saxe, McClelland and Ganguli (2013), "Exact solutions to the nonlinear dynamics of learning in
    deep linear neural networks": a product of orthogonal matrices neither grows nor shrinks.

    Returns:
        ``(size, blocks * size)``, float64.
    """
    parts = []
    for _ in range(blocks):
        q, r = np.linalg.qr(rng.standard_normal((size, size)))
        parts.append(q * np.sign(np.diag(r)))  # the signs make the draw uniform
    return np.concatenate(parts, axis=1)
