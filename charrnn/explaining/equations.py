r"""The equations of one step, forward and backward: those that docs/equations.md derives.

Each is written here once, as data. :mod:`charrnn.explaining.formulas` computes with these formulas,
:mod:`charrnn.explaining.notation` writes them in the letters of the code.

In the table below: a name, the shape of the result (``GH``: the blocks of a cell's gates side by
side; ``1``: a number), what it is, and the formula in LaTeX, letter by letter as in
docs/equations.md. A vector is a row. For a cell without biases, the equations lose their ``+ b``
(:meth:`Equation.without_biases`).
"""

import re
from dataclasses import dataclass, replace

__all__ = ["EQUATIONS", "SYMBOLS", "Equation"]

BIAS = re.compile(r" \+ b(?:_\w|_\{\w+\})?(?= |$)")

TABLE = r"""
# what a layer reads
input.one_hot       | D    | character              | x_t = u_t
input.embedding     | D    | character's own row    | x_t = u_t \cdot W_e
input.below         | D    | layer below            | x^{(l)}_t = h^{(l-1)}_t

# RNN
rnn.a               | H    | before the function    | a_t = x_t \cdot W_x + h_{t-1} \cdot W_h + b
rnn.h.tanh          | H    | state                  | h_t = \tanh(a_t)
rnn.h.relu          | H    | state                  | h_t = \mathrm{ReLU}(a_t)
rnn.slope.tanh      | H    | slope of tanh          | \varphi'(a_t) = 1 - h_t \odot h_t
rnn.slope.relu      | H    | slope of ReLU          | \varphi'(a_t) = [h_t > 0]
rnn.da              | H    | before the function    | da_t = dh_t \odot \varphi'(a_t)
rnn.dh_prev         | H    | state before           | \overleftarrow{dh}_{t-1} = da_t \cdot W_h^\top
rnn.dW_h            | H×GH | weights                | dW_h = \sum_t h_{t-1}^\top \cdot da_t

# LSTM
lstm.a_i.hidden     | H    | input gate, before σ   | a_{i,t} = x_t \cdot W_{xi} + h_{t-1} \cdot W_{hi} + b_i
lstm.a_f.hidden     | H    | forget gate, before σ  | a_{f,t} = x_t \cdot W_{xf} + h_{t-1} \cdot W_{hf} + b_f
lstm.a_o.hidden     | H    | output gate, before σ  | a_{o,t} = x_t \cdot W_{xo} + h_{t-1} \cdot W_{ho} + b_o
lstm.a_g.hidden     | H    | candidate, before tanh | a_{g,t} = x_t \cdot W_{xg} + h_{t-1} \cdot W_{hg} + b_g
lstm.a_i.cell       | H    | input gate, before σ   | a_{i,t} = x_t \cdot W_{xi} + c_{t-1} \cdot W_{ci} + b_i
lstm.a_f.cell       | H    | forget gate, before σ  | a_{f,t} = x_t \cdot W_{xf} + c_{t-1} \cdot W_{cf} + b_f
lstm.a_o.cell       | H    | output gate, before σ  | a_{o,t} = x_t \cdot W_{xo} + c_{t-1} \cdot W_{co} + b_o
lstm.a_g.cell       | H    | candidate, before tanh | a_{g,t} = x_t \cdot W_{xg} + h_{t-1} \cdot W_h + b_g
lstm.i              | H    | input gate             | i_t = \sigma(a_{i,t})
lstm.f              | H    | forget gate            | f_t = \sigma(a_{f,t})
lstm.o              | H    | output gate            | o_t = \sigma(a_{o,t})
lstm.g              | H    | candidate              | g_t = \tanh(a_{g,t})
lstm.c              | H    | cell                   | c_t = f_t \odot c_{t-1} + i_t \odot g_t
lstm.q.tanh         | H    | what the cell shows    | q_t = \tanh(c_t)
lstm.q.identity     | H    | what the cell shows    | q_t = c_t
lstm.h              | H    | state                  | h_t = o_t \odot q_t
lstm.do             | H    | output gate            | do_t = dh_t \odot q_t
lstm.dq             | H    | what the cell shows    | dq_t = dh_t \odot o_t
lstm.dc.tanh        | H    | cell                   | dc_t = \overleftarrow{dc}_t + dq_t \odot (1 - q_t \odot q_t)
lstm.dc.identity    | H    | cell                   | dc_t = \overleftarrow{dc}_t + dq_t
lstm.di             | H    | input gate             | di_t = dc_t \odot g_t
lstm.df             | H    | forget gate            | df_t = dc_t \odot c_{t-1}
lstm.dg             | H    | candidate              | dg_t = dc_t \odot i_t
lstm.da_i           | H    | input gate, before σ   | da_{i,t} = di_t \odot (i_t - i_t^2)
lstm.da_f           | H    | forget gate, before σ  | da_{f,t} = df_t \odot (f_t - f_t^2)
lstm.da_o           | H    | output gate, before σ  | da_{o,t} = do_t \odot (o_t - o_t^2)
lstm.da_g           | H    | candidate, before tanh | da_{g,t} = dg_t \odot (1 - g_t^2)
lstm.da             | GH   | all four               | da_t = [da_{i,t} \mid da_{f,t} \mid da_{o,t} \mid da_{g,t}]
lstm.dh_prev.hidden | H    | state before           | \overleftarrow{dh}_{t-1} = da_t \cdot W_h^\top
lstm.dh_prev.cell   | H    | state before           | \overleftarrow{dh}_{t-1} = da_{g,t} \cdot W_h^\top
lstm.dc_prev.hidden | H    | cell before            | \overleftarrow{dc}_{t-1} = dc_t \odot f_t
lstm.dc_prev.cell   | H    | cell before            | \overleftarrow{dc}_{t-1} = dc_t \odot f_t + [da_{i,t} \mid da_{f,t} \mid da_{o,t}] \cdot W_c^\top
lstm.dW_h.hidden    | H×GH | weights                | dW_h = \sum_t h_{t-1}^\top \cdot da_t
lstm.dW_h.cell      | H×H  | weights                | dW_h = \sum_t h_{t-1}^\top \cdot da_{g,t}
lstm.dW_c           | H×GH | weights                | dW_c = \sum_t c_{t-1}^\top \cdot [da_{i,t} \mid da_{f,t} \mid da_{o,t}]

# GRU
gru.a_r             | H    | reset gate, before σ   | a_{r,t} = x_t \cdot W_{xr} + h_{t-1} \cdot W_{hr} + b_r
gru.a_z             | H    | update gate, before σ  | a_{z,t} = x_t \cdot W_{xz} + h_{t-1} \cdot W_{hz} + b_z
gru.r               | H    | reset gate             | r_t = \sigma(a_{r,t})
gru.z               | H    | update gate            | z_t = \sigma(a_{z,t})
gru.m.after         | H    | what r resets          | m_t = h_{t-1} \cdot W_{hn} + b_{hn}
gru.m.before        | H    | state that r has reset | m_t = r_t \odot h_{t-1}
gru.a_n.after       | H    | candidate, before tanh | a_{n,t} = x_t \cdot W_{xn} + b_n + r_t \odot m_t
gru.a_n.before      | H    | candidate, before tanh | a_{n,t} = x_t \cdot W_{xn} + m_t \cdot W_{hn} + b_n
gru.n               | H    | candidate              | n_t = \tanh(a_{n,t})
gru.h.keep          | H    | state                  | h_t = z_t \odot h_{t-1} + (1 - z_t) \odot n_t
gru.h.write         | H    | state                  | h_t = (1 - z_t) \odot h_{t-1} + z_t \odot n_t
gru.dz.keep         | H    | update gate            | dz_t = dh_t \odot (h_{t-1} - n_t)
gru.dz.write        | H    | update gate            | dz_t = dh_t \odot (n_t - h_{t-1})
gru.dn.keep         | H    | candidate              | dn_t = dh_t \odot (1 - z_t)
gru.dn.write        | H    | candidate              | dn_t = dh_t \odot z_t
gru.dh_prev.keep    | H    | state before, in part  | dh_{t-1} = dh_t \odot z_t
gru.dh_prev.write   | H    | state before, in part  | dh_{t-1} = dh_t \odot (1 - z_t)
gru.da_n            | H    | candidate, before tanh | da_{n,t} = dn_t \odot (1 - n_t \odot n_t)
gru.dr.after        | H    | reset gate             | dr_t = da_{n,t} \odot m_t
gru.dm.after        | H    | what r resets          | dm_t = da_{n,t} \odot r_t
gru.dm.before       | H    | state that r has reset | dm_t = da_{n,t} \cdot W_{hn}^\top
gru.dr.before       | H    | reset gate             | dr_t = dm_t \odot h_{t-1}
gru.da_r            | H    | reset gate, before σ   | da_{r,t} = dr_t \odot (r_t - r_t^2)
gru.da_z            | H    | update gate, before σ  | da_{z,t} = dz_t \odot (z_t - z_t^2)
gru.da              | GH   | all three              | da_t = [da_{r,t} \mid da_{z,t} \mid da_{n,t}]
gru.back.after      | H    | state before           | \overleftarrow{dh}_{t-1} = dh_{t-1} + [da_{r,t} \mid da_{z,t} \mid dm_t] \cdot W_h^\top
gru.back.before     | H    | state before           | \overleftarrow{dh}_{t-1} = dh_{t-1} + dm_t \odot r_t + [da_{r,t} \mid da_{z,t}] \cdot [W_{hr} \mid W_{hz}]^\top
gru.dW_hr           | H×H  | weights                | dW_{hr} = \sum_t h_{t-1}^\top \cdot da_{r,t}
gru.dW_hz           | H×H  | weights                | dW_{hz} = \sum_t h_{t-1}^\top \cdot da_{z,t}
gru.dW_hn.after     | H×H  | weights                | dW_{hn} = \sum_t h_{t-1}^\top \cdot dm_t
gru.dW_hn.before    | H×H  | weights                | dW_{hn} = \sum_t m_t^\top \cdot da_{n,t}
gru.db_hn           | H    | bias                   | db_{hn} = \sum_t dm_t

# any layer
own.h               | H    | state, by its author   | h^{(l)}_t = \mathrm{cell}^{(l)}\big(h^{(l-1)}_t,\ h^{(l)}_{t-1}\big)
layer.dh            | H    | state                  | dh^{(l)}_t = dx^{(l+1)}_t + \overleftarrow{dh}^{(l)}_t
layer.dW_x          | D×GH | weights                | dW_x = \sum_t x_t^\top \cdot da_t
layer.db            | GH   | bias                   | db = \sum_t da_t
layer.dx            | D    | input                  | dx_t = da_t \cdot W_x^\top
embedding.dW        | V×D  | embedding              | dW_e = \sum_t u_t^\top \cdot dx_t
embedding.dW.tied   | V×D  | embedding, both uses   | dW_e = (\sum_t h_t^\top \cdot dy_t)^\top + \sum_t u_t^\top \cdot dx_t

# the head and its loss
head.y              | V    | output                 | y_t = h_t \cdot W + b
head.y.tied         | V    | output                 | y_t = h_t \cdot W_e^\top + b
head.y.input        | V    | output                 | y_t = x_t \cdot W + b
softmax             | V    | probability            | p_j = \frac{e^{y_j}}{\sum_v e^{y_v}}
loss                | 1    | loss, in nats          | E = -\ln p_k
head.dy             | V    | output                 | dy_j = p_j - [j = k]
head.dy.one         | V    | output itself          | dy_t = 1
head.dy.zero        | V    | no loss at this step   | dy_t = 0
head.dW             | H×V  | weights of the head    | dW = \sum_t h_t^\top \cdot dy_t
head.dW.input       | D×V  | weights of the head    | dW = \sum_t x_t^\top \cdot dy_t
head.db             | V    | bias of the head       | db = \sum_t dy_t
head.dh             | H    | state                  | dh_t = dy_t \cdot W^\top + \overleftarrow{dh}_t
head.dh.tied        | H    | state                  | dh_t = dy_t \cdot W_e + \overleftarrow{dh}_t
head.dx             | D    | input                  | dx_t = dy_t \cdot W^\top
"""  # noqa: E501 - a table

SYMBOLS = {
    "x": "input of the layer",
    "u": "one-hot row of the character: 1 at its number, 0 elsewhere",
    "h": "hidden state, and output of the layer",
    "c": "memory cell",
    "a": "pre-activation: the input of the function",
    "φ'(a)": "slope of the function",
    "i": "input gate",
    "f": "forget gate",
    "o": "output gate",
    "g": "candidate",
    "q": "what the output gate lets through: tanh(c), or c itself",
    "r": "reset gate",
    "z": "update gate",
    "n": "candidate",
    "m": "what the reset gate resets, or has reset",
    "y": "output of the head (logits)",
    "p": "probability of each character",
    "E": "loss: -ln of the next character's probability",
    "j": "number of a character",
    "k": "number of the next character",
    "e": "2.71828...",
    "l": "number of the layer",
    "W": "matrix of the head (H, V)",
    "b": "bias",
    "W_e": "embedding, a row for each character",
    "W_x": "matrix that reads the input (D, GH)",
    "W_h": "matrix that reads the state before (H, GH)",
    "W_c": "matrix that reads the cell before (H, 3H)",
    "b_hn": "bias of the candidate, inside the reset gate",
}
"""The letters, as :func:`charrnn.explaining.notation.plain` writes them; ``d…`` is the gradient of
the loss by any of them, ``←d…`` the part of it that later steps send back, ``…_prev`` the step
before, ``W_xi`` the block of a gate i."""


@dataclass(frozen=True)
class Equation:
    """One equation.

    Attributes:
        name: its key in :data:`EQUATIONS`.
        latex: the formula as in docs/equations.md.
        what: what the result is; in a backward pass, by what it is the gradient.
        shape: the shape of the result, one letter for each axis.
    """

    name: str
    latex: str
    what: str
    shape: tuple[str, ...]

    def without_biases(self) -> "Equation":
        """The same for a cell without biases."""
        return replace(self, latex=BIAS.sub("", self.latex))


def _read(table: str) -> dict[str, Equation]:
    rows = [line.split(" | ", 3) for line in table.splitlines() if " | " in line]
    stripped = ([part.strip() for part in row] for row in rows)
    return {
        name: Equation(name, latex, what, tuple(shape.split("×")))
        for name, shape, what, latex in stripped
    }


EQUATIONS = _read(TABLE)
