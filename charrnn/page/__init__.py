"""A trained language model, or the worked example, as one web page without server or network.

The page is plain HTML, CSS and JavaScript. Its files are in this folder, each for one purpose;
:func:`charrnn.page.export.write_page` joins them and the model into one file,
:func:`charrnn.page.example.write_example` does so for the example. A policy with the hashes of
their scripts lets nothing else run. The engine does what the Python code does, one step at a time,
and tests compare a page's script with the Python code.
"""

from charrnn.page.example import write_example
from charrnn.page.export import write_page

__all__ = ["write_example", "write_page"]
