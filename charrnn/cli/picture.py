"""A learning curve as a PNG, SVG or PDF file, drawn by matplotlib, which is optional."""

import os
from pathlib import Path
from typing import Any

from charrnn.cli.curve import Panel, panels
from charrnn.errors import InputError, RunError
from charrnn.runs.history import LearningCurve

__all__ = ["SUFFIXES", "check_suffix", "write_picture"]

SUFFIXES = (".png", ".svg", ".pdf")
WIDTH, HEIGHT = 7.0, 4.2  # inches of a panel


def check_suffix(path: str) -> None:
    """Check that a picture can have that name.

    Raises:
        InputError: it does not end in one of :data:`SUFFIXES`.
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        raise InputError(
            f"--plot {path!r}: unknown kind of picture", "name a .png, .svg or .pdf file"
        )


def write_picture(path: str, curve: LearningCurve, title: str) -> None:
    """Draw a curve into a file, which is written whole or stays unchanged.

    Raises:
        InputError: matplotlib is missing, or there is nothing to draw.
        RunError: the file cannot be written.
    """
    check_suffix(path)
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            f"--plot needs matplotlib ({error})", "python -m pip install matplotlib"
        ) from error
    shown = panels(curve)
    if not shown:
        raise InputError("this model has no learning curve to plot", "it takes two validations")
    # A figure made without pyplot has no window and needs no display.
    figure = Figure(figsize=(WIDTH, HEIGHT * len(shown)), layout="constrained")
    for axes, panel in zip(figure.subplots(len(shown), squeeze=False)[:, 0], shown, strict=True):
        _draw(axes, panel)
    figure.suptitle(title, fontsize="medium")
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        # Without date and random ids: the same curve gives the same file.
        with rc_context({"svg.hashsalt": "charrnn"}):
            date = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
            kind = target.suffix.lower()
            figure.savefig(temporary, format=kind[1:], dpi=150, metadata=date[kind])
        temporary.replace(target)
    except OSError as error:
        raise RunError(f"cannot write {path!r}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _draw(axes: Any, panel: Panel) -> None:
    if panel.logged:
        axes.plot(*zip(*panel.logged, strict=True), color="0.8", linewidth=0.6, label="a step")
    if panel.train:
        axes.plot(
            *zip(*panel.train, strict=True),
            color="C0",
            label="training, mean since the last validation",
        )
    if panel.val:
        axes.plot(*zip(*panel.val, strict=True), color="C1", marker=".", label="validation")
    if panel.best:
        step, value = panel.best
        axes.plot([step], [value], "k*", markersize=9, label=f"best: {value:.4f} at {step:,.0f}")
    coarse = [value for _, value in (*panel.train, *panel.val)]
    margin = 0.06 * (max(coarse) - min(coarse)) or 0.5
    lowest = min(coarse + [value for _, value in panel.logged])
    axes.set_ylim(lowest - margin, max(coarse) + margin)
    axes.set_xlim(left=0)
    axes.set_xlabel("steps")
    axes.set_ylabel(panel.title)
    axes.legend(frameon=False)
