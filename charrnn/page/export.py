"""A model as one web page: joins the files of this folder with the model's numbers."""

from pathlib import Path

from charrnn.errors import InputError
from charrnn.files import write_whole
from charrnn.page.content import Content, content_of
from charrnn.page.modules import joined
from charrnn.page.shell import shell
from charrnn.page.weights import PRECISIONS, packed, scales
from charrnn.runs.model import Model

__all__ = ["write_page"]


def write_page(
    model: Model,
    path: str | Path,
    *,
    precision: str = "float24",
    with_text: str | None = None,
    note: str = "",
) -> None:
    """Write a page that writes with a model, in any browser, from any folder, without a network.

    Whatever the model's checkpoint contains is data on the page, and is shown as text.

    Args:
        model: a language model, or a model of labelled texts.
        path: the file; an earlier one is replaced, or unchanged if that fails.
        precision: the weights' precision: ``"float24"``, ``"float32"``, which is 40% larger, or
            ``"int16"``, a quarter smaller and coarser (docs/page.md).
        with_text: the training text, if it may be published.
        note: a line for readers: a licence, or where the text is from.

    Raises:
        InputError: the model is of another kind or uses your own cell, or the precision does not
            exist.
        CheckpointError: the file cannot be written.
        DivergedError: the model's outputs are not finite.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision {precision!r}: choose from {', '.join(PRECISIONS)}")
    content = content_of(model, note=note, with_text=with_text)
    html = page(content, precision)
    write_whole(Path(path), html.encode("utf-8"))


def page(content: Content, precision: str) -> str:
    """The page with a model's data and numbers, as text."""
    data = {**content.data, "precision": precision}
    if precision == "int16":
        data["scales"] = scales(content.tensors)
    return shell(
        str(data["name"]),
        "page.html",
        data,
        "main.js",
        worker=True,
        weights=packed(content.tensors, precision),
        worker_script=joined("worker.js"),
    )
