"""All weights in one flat vector, with a named view for each tensor.

The optimiser, clipping, averaging and saving work on :attr:`Parameters.flat`; the layers see
only their views, whose names are the checkpoint's keys. Gradients are a second
:class:`Parameters` of the same layout. All computing follows their dtype: float32 trains, float64
checks, and complex128 takes the complex step through the very code that trains.
"""

from collections.abc import Collection, Iterator, Mapping
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.nn.types import Array

__all__ = ["Parameters", "Shapes"]

Shapes = Mapping[str, tuple[int, ...]]


class Parameters(Mapping[str, Array]):
    """Named views into one contiguous vector.

    Matrices are laid out before vectors (each kind in the order given), so that weight decay,
    which spares the biases, is one slice: ``flat[:num_matrix]``.

    Args:
        shapes: the tensors by name, for instance ``{"body.0.W_h": (256, 1024)}``.
        dtype: the dtype of every tensor.
        flat: the vector to view, not copied; if not given, zeros.

    Raises:
        ValueError: ``flat`` is not a contiguous vector of the right size and dtype.
    """

    def __init__(self, shapes: Shapes, dtype: npt.DTypeLike, flat: Array | None = None) -> None:
        self.shapes = dict(shapes)
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        size = sum(prod(shape) for shape in shapes.values())
        if flat is None:
            flat = np.zeros(size, dtype=self.dtype)
        if flat.shape != (size,) or flat.dtype != self.dtype or not flat.flags.c_contiguous:
            raise ValueError(
                f"expected a contiguous vector of {size} {self.dtype}, "
                f"got shape {flat.shape} of {flat.dtype}"
            )
        self.flat = flat
        self.num_matrix = sum(prod(s) for s in shapes.values() if len(s) > 1)
        self.slices: dict[str, slice] = {}
        start = 0
        for name in sorted(shapes, key=lambda name: len(shapes[name]) < 2):
            self.slices[name] = slice(start, start + prod(shapes[name]))
            start += prod(shapes[name])
        self._views = {name: flat[part].reshape(shapes[name]) for name, part in self.slices.items()}

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {shape}" for name, shape in self.shapes.items())
        return f"<Parameters: {self.flat.size:,} {self.dtype} numbers: {shown}>"

    def __getitem__(self, name: str) -> Array:
        return self._views[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    def scope(self, prefix: str) -> dict[str, Array]:
        """The views whose names start with ``prefix.``, without it: what one layer sees."""
        head = prefix + "."
        return {name[len(head) :]: self[name] for name in self if name.startswith(head)}

    def part(self, prefix: str) -> "Parameters":
        """The tensors of :meth:`scope` as parameters of their own: views of these.

        They are not contiguous, so there is no ``flat``.
        """
        part = Parameters.__new__(Parameters)
        part._views, part.dtype = self.scope(prefix), self.dtype
        part.shapes = {name: view.shape for name, view in part._views.items()}
        return part

    def parts_without(self, names: Collection[str]) -> list[slice]:
        """The parts of :attr:`flat` outside the tensors of these names."""
        edges = [0]
        for start, stop in sorted((self.slices[n].start, self.slices[n].stop) for n in names):
            edges += [start, stop]
        edges.append(self.flat.size)
        pairs = zip(edges[::2], edges[1::2], strict=True)
        return [slice(start, stop) for start, stop in pairs if start < stop]

    def fill(self, values: Mapping[str, Array], prefix: str = "") -> None:
        """Copy ``values`` into the tensors of these names, after ``prefix.`` if one is given."""
        for name, value in values.items():
            self[f"{prefix}.{name}" if prefix else name][...] = value

    def zeros_like(self) -> "Parameters":
        """The same layout, all zero: a place for gradients."""
        return Parameters(self.shapes, self.dtype)

    def astype(self, dtype: npt.DTypeLike) -> "Parameters":
        """A copy of the same layout in another dtype."""
        return Parameters(self.shapes, dtype, self.flat.astype(dtype))
