"""Encoder and decoder: a sequence in, another one of another length out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.nn.attention import Attention
from charrnn.nn.body import Body
from charrnn.nn.cells import Cell
from charrnn.nn.head import Head
from charrnn.nn.losses import check_targets
from charrnn.nn.models import Loss
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array, State
from charrnn.nn.workspace import Workspace

__all__ = ["Translations", "Translator"]


@dataclass(frozen=True)
class Translations:
    """A batch of B pairs.

    Args:
        source: ``(S, B)`` symbols.
        lengths: ``(B,)``, the lengths of the sources, longest first.
        previous: ``(T, B)``, the decoder's input: the target, one step late (teacher forcing).
        targets: ``(T, B)``, what the decoder is to predict.
        weights: ``(T, B)``, zero beyond the end of a target.
    """

    source: Array
    lengths: Array
    previous: Array
    targets: Array
    weights: Array

    @property
    def size(self) -> int:
        """B."""
        return int(self.source.shape[1])


@dataclass(frozen=True)
class Translator:
    """An encoder reads the source; its last state is where the decoder begins.

        h_0 of the decoder = [→h_S, ←h_1] of the encoder's layer, and likewise c_0

    Sutskever, Vinyals and Le (2014), "Sequence to sequence learning with neural networks"; Cho et
    al. (2014). With ``directions="both"`` each direction of the encoder has half of the decoder's
    width, so that the two states together are the decoder's, without a matrix.

    Args:
        source_size, target_size: the number of symbols on each side.
        cell: the cell of encoder and decoder, with the decoder's width.
        num_layers: the layers of each of the two.
        embedding_size: the width of both embeddings; 0 for one-hot rows.
        dropout: the dropout rate on the output of each layer while training.
        directions: those of the encoder.
        attention: ``"luong"`` or ``"none"``.

    Raises:
        ValueError: a size or a word is out of range.
    """

    source_size: int
    target_size: int
    cell: Cell[Any]
    num_layers: int = 1
    embedding_size: int = 0
    dropout: float = 0.0
    directions: str = "both"
    attention: str = "luong"

    def __post_init__(self) -> None:
        if self.attention not in ("luong", "none"):
            raise ValueError(f"attention must be 'luong' or 'none', got {self.attention!r}")
        if self.num_layers < 1:
            raise ValueError("an encoder and a decoder need at least one layer")
        if self.directions == "both" and self.cell.hidden_size % 2:
            raise ValueError(
                "with both directions the hidden size must be even: each has half of it"
            )
        _ = self.encoder, self.decoder, self.head

    @property
    def encoder(self) -> Body:
        """What reads the source."""
        return Body(
            self.source_size,
            self.cell.resized(self.cell.hidden_size // (1 + (self.directions == "both"))),
            self.num_layers,
            self.embedding_size,
            self.dropout,
            directions=self.directions,
        )

    @property
    def decoder(self) -> Body:
        """What writes the target."""
        return Body(self.target_size, self.cell, self.num_layers, self.embedding_size, self.dropout)

    @property
    def attends(self) -> Attention | None:
        """The attention; None without any."""
        if self.attention == "none":
            return None
        return Attention(self.cell.hidden_size, self.encoder.output_size)

    @property
    def head(self) -> Head:
        """What turns the decoder's features into scores of target symbols."""
        return Head(self.cell.hidden_size, self.target_size)

    def _parts(self) -> dict[str, Any]:
        parts: dict[str, Any] = {"encoder": self.encoder, "decoder": self.decoder}
        if self.attends:
            parts["attention"] = self.attends
        return parts | {"head": self.head}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """All tensors' shapes: ``encoder.body.0.W_x``, ..., ``attention.W_a``, ..., ``head.b``."""
        return {
            f"{part}.{name}": shape
            for part, network in self._parts().items()
            for name, shape in network.shapes().items()
        }

    def init(self, rng: np.random.Generator, dtype: npt.DTypeLike = np.float32) -> Parameters:
        """Fresh weights, as :mod:`charrnn.nn.init` draws them."""
        parameters = Parameters(self.shapes(), dtype)
        for part, network in self._parts().items():
            parameters.fill(network.init(rng), part)
        return parameters

    def encode(
        self,
        parameters: Parameters,
        source: Array,
        lengths: Array,
        workspace: Workspace,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, State, Any]:
        """Read sources ``(S, B)``: the memory ``(S, B, F)``, the decoder's initial state, and what
        :meth:`sum_loss` needs for its backward pass.
        """
        state = self.encoder.zero_state(source.shape[1], parameters.dtype)
        memory, final, saved = self.encoder.forward(
            parameters.scope("encoder"), source, state, workspace.child("encoder"), rng, lengths
        )
        return memory, tuple(self._handed_over(layer) for layer in final), saved

    def decode(
        self,
        parameters: Parameters,
        previous: Array,
        state: State,
        memory: Array,
        lengths: Array,
        workspace: Workspace,
    ) -> tuple[Array, State]:
        """Outputs ``(T, B, V)`` after the symbols ``previous`` (T, B), and the final state."""
        features, final, _ = self.decoder.forward(
            parameters.scope("decoder"), previous, state, workspace.child("decoder")
        )
        if self.attends:
            w = parameters.scope("attention")
            features, _ = self.attends.forward(w, features, memory, lengths, workspace)
        return self.head.forward(parameters.scope("head"), features, workspace), final

    def sum_loss(
        self,
        parameters: Parameters,
        batch: Translations,
        workspace: Workspace,
        *,
        gradients: Parameters | None = None,
        rng: np.random.Generator | None = None,
    ) -> Loss:
        """-Σ ln p(target) over a batch, each symbol predicted from the true ones before it.

        Arguments as for :meth:`charrnn.nn.models.SequenceModel.sum_loss`.

        Raises:
            ValueError: shapes do not fit, a symbol is out of range, or lengths are not sorted.
        """
        check_targets("softmax", batch.targets, batch.previous.shape, self.target_size)
        memory, state, encoder_saved = self.encode(
            parameters, batch.source, batch.lengths, workspace, rng
        )
        features, final, decoder_saved = self.decoder.forward(
            parameters.scope("decoder"), batch.previous, state, workspace.child("decoder"), rng
        )
        attended, attention = features, self.attends
        if attention:
            attended, attention_saved = attention.forward(
                parameters.scope("attention"), features, memory, batch.lengths, workspace
            )
        flat = attended.reshape(-1, attended.shape[-1])
        d = None
        if gradients is not None:
            d = workspace.array("dattended", attended.shape, parameters.dtype)
        total = self.head.sum_loss(
            parameters.scope("head"),
            None if gradients is None else gradients.scope("head"),
            flat,
            batch.targets.reshape(-1),
            batch.weights.reshape(-1),
            None if d is None else d.reshape(flat.shape),
            workspace,
        )
        if gradients is None or d is None:
            return Loss(total, final, ())
        dmemory = None
        if attention:
            d, dmemory = attention.backward(
                parameters.scope("attention"), gradients.scope("attention"), d, attention_saved
            )
        _, dstate = self.decoder.backward(
            parameters.scope("decoder"), gradients.scope("decoder"), d, None, decoder_saved
        )
        if dmemory is None:
            dmemory = np.zeros_like(memory)
        _, dinitial = self.encoder.backward(
            parameters.scope("encoder"),
            gradients.scope("encoder"),
            dmemory,
            tuple(self._handed_back(layer) for layer in dstate),
            encoder_saved,
        )
        return Loss(total, final, dinitial)

    def part(self, batch: Translations, lanes: slice) -> Translations:
        """Some of a batch's pairs as a batch of their own."""
        return Translations(
            batch.source[:, lanes],
            batch.lengths[lanes],
            batch.previous[:, lanes],
            batch.targets[:, lanes],
            batch.weights[:, lanes],
        )

    def _handed_over(self, final: tuple[Array, ...]) -> tuple[Array, ...]:
        """An encoder layer's final states as the decoder's initial ones: both directions joined."""
        if self.directions != "both":
            return final
        half = len(final) // 2
        return tuple(
            np.concatenate(pair, axis=1) for pair in zip(final[:half], final[half:], strict=True)
        )

    def _handed_back(self, dstate: tuple[Array, ...]) -> tuple[Array, ...]:
        """The gradient of :meth:`_handed_over`."""
        if self.directions != "both":
            return dstate
        size = self.cell.hidden_size // 2
        return tuple(d[:, :size] for d in dstate) + tuple(d[:, size:] for d in dstate)
