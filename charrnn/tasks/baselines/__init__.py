"""What is to be had without a network: one simple way for each task, to print beside a network's.

Each is fitted to the training part alone; what it has to choose, it chooses on a piece of that.
"""

from charrnn.tasks.baselines.choice import Method, choose, seasons
from charrnn.tasks.baselines.labels import LabelBayes
from charrnn.tasks.baselines.linear import Form, Linear, naive
from charrnn.tasks.baselines.naive_bayes import NaiveBayes
from charrnn.tasks.baselines.neighbours import NearestNeighbour
from charrnn.tasks.baselines.series import last_value, linear_autoregression
from charrnn.tasks.baselines.tags import TagBaseline

__all__ = [
    "Form",
    "LabelBayes",
    "Linear",
    "Method",
    "NaiveBayes",
    "NearestNeighbour",
    "TagBaseline",
    "choose",
    "last_value",
    "linear_autoregression",
    "naive",
    "seasons",
]
