"""What all plots share: the axes, colours and shapes, and the words on an axis."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from evalkit.errors import MachineError, UsageError
from evalkit.text import escape_for_display

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito (2008), without yellow, which is hard to see on white: told apart with every kind of colour vision.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # a shape beside every colour, for prints in grey
GREY = "#6b6b6b"
NAME_LIMIT = 40  # characters of a foreign name


def axes_or_new(ax: Axes | None, size: tuple[float, float] = (6.4, 4.0)) -> Axes:
    """Return ``ax``, or the axes of a new figure.

    The figure is one of pyplot where that is in use already, and in a notebook, which then shows it below the cell.
    Otherwise it belongs to the caller alone: a program needs no backend, and no figure stays open.

    Args:
        ax: what the caller gave.
        size: of the new figure in inches.

    Raises:
        MachineError: when matplotlib is not installed.
        UsageError: when ``ax`` is no axes.
    """
    try:
        import matplotlib.axes
        from matplotlib.figure import Figure
    except ImportError:
        raise MachineError(
            "Plots need the package matplotlib.", fix="Run: pip install 'evalkit-video[plots]'"
        ) from None
    if ax is not None:
        if not isinstance(ax, matplotlib.axes.Axes):
            raise UsageError("A plot is drawn into axes of matplotlib.", found=type(ax).__name__)
        return ax
    if "matplotlib.pyplot" in sys.modules or _in_notebook():
        from matplotlib import pyplot

        shown: Axes = pyplot.subplots(figsize=size, layout="constrained")[1]
        return shown
    return Figure(figsize=size, layout="constrained").add_subplot()


def _in_notebook() -> bool:
    """Return whether this is a kernel of Jupyter, which shows the figures of pyplot below a cell."""
    shell = sys.modules.get("IPython")
    running = None if shell is None else shell.get_ipython()
    return running is not None and hasattr(running, "kernel")


def plain(text: str, limit: int = NAME_LIMIT) -> str:
    """Return a foreign text as matplotlib prints it: one line, nothing invisible, no formula between dollar signs."""
    return escape_for_display(text, limit).replace("$", r"\$")


def axis_words(title: str, unit: str, higher_is_better: bool | None, *, across: bool = False) -> str:
    """Return what stands on an axis: title, unit, and which side is better.

    Args:
        title, unit: of the metric; foreign.
        higher_is_better: ``None`` for a number without a better side, of which nothing is said.
        across: whether the axis goes from left to right, not up.
    """
    words = plain(title, 30) + (f" ({plain(unit, 12)})" if unit else "")
    if higher_is_better is None:
        return words
    if across:
        return f"{words}, higher is better \u2192" if higher_is_better else f"{words}, \u2190 lower is better"
    return (
        f"{words}, {'higher' if higher_is_better else 'lower'} is better {chr(0x2191 if higher_is_better else 0x2193)}"
    )


def look(at: int) -> tuple[str, str]:
    """Return colour and shape of the ``at``-th series."""
    return COLOURS[at % len(COLOURS)], MARKERS[at % len(MARKERS)]


def finish(ax: Axes) -> None:
    """Take away the frame's upper and right side, and draw a light grid behind the data."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(visible=True, color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
