"""A model as one web page: the files of this folder and the model's numbers, joined."""

from pathlib import Path

from charrnn.errors import InputError
from charrnn.files import write_whole
from charrnn.page.content import content_of
from charrnn.page.modules import joined
from charrnn.page.shell import shell
from charrnn.page.weights import PRECISIONS, packed
from charrnn.runs.model import Model

__all__ = ["write_page"]


def write_page(
    model: Model,
    path: str | Path,
    *,
    precision: str = "float16",
    with_text: str | None = None,
    note: str = "",
) -> None:
    """Write a page that writes with a model, in any browser, from any folder, without a network.

    Whatever the model's checkpoint holds is data in it, and is shown as text.

    Args:
        model: a language model, or a model of labelled texts.
        path: the file; what stood there is replaced, or as it was if that fails.
        precision: of the weights: ``"float16"``, or ``"float32"`` at twice the size.
        with_text: the text that it was trained on, if that may be given away.
        note: a line for people: a licence, or where the text is from.

    Raises:
        InputError: it is another kind of model or has a cell of its author's own, there is no such
            precision, or a weight is too large for it.
        CheckpointError: the file cannot be written.
        DivergedError: the model's outputs are not finite.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision {precision!r}: choose from {', '.join(PRECISIONS)}")
    content = content_of(model, note=note, with_text=with_text)
    try:
        weights = packed(content.tensors, precision)
    except OverflowError as error:
        raise InputError(f"{model.path}: {error}", "use the precision float32") from None
    html = page({**content.data, "precision": precision}, weights)
    write_whole(Path(path), html.encode("utf-8"))


def page(data: dict[str, object], weights: str) -> str:
    """The page of a model's data and its packed weights."""
    return shell(
        str(data["name"]),
        "page.html",
        data,
        "main.js",
        worker=True,
        weights=weights,
        worker_script=joined("worker.js"),
    )
