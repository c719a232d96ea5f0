"""One style for every figure of the book, and the two plots it draws again and again."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from isolib._check import finite, positive_int
from isolib.laws import Law

#: Okabe and Ito's colours, told apart by readers with any colour vision; theory is always ink
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6a6a6a")
INK = "#1b1b1b"

_STYLE = {
    "figure.figsize": (6.4, 3.6),
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "axes.prop_cycle": mpl.cycler(color=COLORS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.labelsize": 10.5,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "font.size": 10,
    "svg.hashsalt": "isolib",
    "svg.fonttype": "path",
}


def setup() -> None:
    """Use the book's style from here on, and SVG figures where a notebook shows them."""
    mpl.rcParams.update(_STYLE)
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:  # plain Python: the style is all there is to set
        return
    if get_ipython() is not None:
        # no date in the file: the same figure is the same bytes
        set_matplotlib_formats("svg", metadata={"Date": None, "Creator": None})


def axes(columns=1, *, xlabel="", ylabel="", title="", xscale="linear", yscale="linear", **kw):
    """A row of `columns` axes that share labels and scales; one Axes, or an array of them.

    `title` may be a list with one entry a column. Further keywords go to `plt.subplots`.

    >>> ax = axes(xlabel="depth", yscale="log")
    >>> ax.get_yscale()
    'log'
    >>> plt.close("all")
    """
    columns = positive_int("columns", columns)
    kw.setdefault("figsize", (6.4, 3.6) if columns == 1 else (min(3.4 * columns, 7.6), 2.9))
    titles = [title] * columns if isinstance(title, str) else title
    if not isinstance(titles, (list, tuple)) or len(titles) != columns:
        raise ValueError(f"title must be one text or a list of {columns}, got {title!r}")
    _, grid = plt.subplots(1, columns, squeeze=False, **kw)
    for i, (ax, text) in enumerate(zip(grid[0], titles, strict=True)):
        name = ylabel if i == 0 or not kw.get("sharey") else ""
        ax.set(xlabel=xlabel, ylabel=name, xscale=xscale, yscale=yscale, title=text)
    return grid[0, 0] if columns == 1 else grid[0]


def spectrum(
    samples=None,
    law=None,
    *,
    ax=None,
    bins=60,
    label="simulation",
    color=COLORS[0],
    xlabel="eigenvalue",
    logx=False,
    theory="theory",
    cusps=(),
):
    """A histogram of samples (normalised to their number) with a law's density drawn over it.

    With `logx` both are shown per unit of log x. The curve's points crowd at the edges of the
    support, and at `cusps`, places inside where the density has one. Atoms of the law appear as
    dotted lines with their weight. Returns the Axes. Raises `ValueError` for samples that are
    empty, not finite, or not positive with `logx`, and for a `law` that is no `Law`.

    >>> from isolib import laws
    >>> ax = spectrum(law=laws.Semicircle())
    >>> plt.close("all")
    """
    if law is not None and not isinstance(law, Law):
        raise ValueError(f"law must be a Law, got {law!r}")
    if samples is not None:
        x = finite("samples", samples).ravel()
        if x.size == 0:
            raise ValueError("samples must hold at least one number, got none")
        if logx and x.min() <= 0:
            raise ValueError(f"samples must be positive with logx, got {x.min():g}")
    ax = axes(xlabel=xlabel, ylabel="density") if ax is None else ax
    if samples is not None:
        counts, ends = np.histogram(np.log(x) if logx else x, bins=bins, density=True)
        ends = np.exp(ends) if logx else ends
        ax.stairs(counts, ends, fill=True, color=color, alpha=0.45, label=label)
    if law is not None:
        steps = np.sin(np.linspace(0.004, np.pi / 2 - 0.004, 500)) ** 2
        for i, (lo, hi) in enumerate(law.support()):
            ends = np.sort([lo, hi, *(c for c in cusps if lo < c < hi)])
            x = np.concatenate([a + (b - a) * steps for a, b in zip(ends, ends[1:], strict=False)])
            y = law.density(x) * (x if logx else 1)
            ax.plot(x, y, color=INK, lw=1.5, label=theory if i == 0 else None)
        for place, weight in law.atoms():
            ax.axvline(place, color=INK, lw=1.2, ls=":")
            beside = {"xytext": (4, 0), "textcoords": "offset points"}
            text, units = f"{weight:.2g} at {place:.3g}", ("data", "axes fraction")
            ax.annotate(text, (place, 0.92), xycoords=units, **beside)
    if logx:
        ax.set_xscale("log")
    ax.set_ylim(bottom=0)
    if law is not None and samples is not None:
        ax.legend()
    return ax
