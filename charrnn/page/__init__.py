"""A trained language model, or the worked example, as one web page without server or network.

The page is plain HTML, CSS and JavaScript; its files stand here, an idea each, and
:func:`charrnn.page.export.write_page` puts them and the model into one file,
:func:`charrnn.page.example.write_example` those of the example. A policy with the hashes of their
scripts lets nothing else run. The engine is the Python once more, a step at a time, and tests run
the very script of a page beside the Python.
"""

from charrnn.page.example import write_example
from charrnn.page.export import write_page

__all__ = ["write_example", "write_page"]
