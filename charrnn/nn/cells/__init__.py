"""The recurrent cells and their names on the command line."""

from charrnn.nn.cells.base import Cell, Saved
from charrnn.nn.cells.errors import CellError
from charrnn.nn.cells.gru import GRU
from charrnn.nn.cells.lstm import LSTM
from charrnn.nn.cells.names import CELLS, UnknownCellError, all_variants, parse_cell
from charrnn.nn.cells.plain import PlainCell
from charrnn.nn.cells.rnn import RNN

__all__ = [
    "CELLS",
    "GRU",
    "LSTM",
    "RNN",
    "Cell",
    "CellError",
    "PlainCell",
    "Saved",
    "UnknownCellError",
    "all_variants",
    "parse_cell",
]
