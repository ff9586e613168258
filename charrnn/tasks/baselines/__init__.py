"""The baselines: for each task a simple method without a network, to compare the network with.

Each is fitted to the training part alone, and makes its choices on a piece of that. Only the
mixture of n-grams for labelled texts is fitted to the validation set, which also selects the
network; the methods of a series are weighted by its rows, too.
"""

from charrnn.tasks.baselines.combination import Combination, Method, combine
from charrnn.tasks.baselines.labels import LabelBayes
from charrnn.tasks.baselines.linear import Form, Linear, naive
from charrnn.tasks.baselines.naive_bayes import NaiveBayes
from charrnn.tasks.baselines.neighbours import NearestNeighbour
from charrnn.tasks.baselines.periods import seasons
from charrnn.tasks.baselines.series import autoregression_errors
from charrnn.tasks.baselines.tags import TagBaseline
from charrnn.tasks.baselines.texts import labelled_ngrams

__all__ = [
    "Combination",
    "Form",
    "LabelBayes",
    "Linear",
    "Method",
    "NaiveBayes",
    "NearestNeighbour",
    "TagBaseline",
    "autoregression_errors",
    "combine",
    "labelled_ngrams",
    "naive",
    "seasons",
]
