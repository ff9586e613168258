"""A trained language model as one web page, which needs no server and no network.

The page is plain HTML, CSS and JavaScript; its files stand here, an idea each, and
:func:`charrnn.page.export.write_page` puts them and the model into one file.
"""

from charrnn.page.export import write_page

__all__ = ["write_page"]
