"""Explorers: figures with sliders that move on a static page, in Jupyter and in Colab alike.

Python computes every frame from one function over a grid of settings; the view only draws what it
is given. Nothing mathematical is written a second time in JavaScript.
"""

from __future__ import annotations

import base64
import html
import io
import itertools
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from isolib._check import finite, one_of

_HERE = Path(__file__).parent
KINDS = ("line", "theory", "steps", "points", "atoms")
MOST_BYTES = 150_000


@dataclass(frozen=True)
class Curve:
    """One curve of a frame: y over x; `steps` has one x more than y (a histogram's ends).

    Kinds: "line", "theory" (drawn in ink), "steps" (a filled histogram), "points", and "atoms"
    (a dotted line at each x with its weight y beside it; there may be none).
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    kind: str = "line"
    color: int = 0

    def __post_init__(self):
        one_of("kind", self.kind, KINDS)
        x, y = np.asarray(self.x), np.asarray(self.y)
        wanted = y.size + (self.kind == "steps")
        if x.ndim != 1 or y.ndim != 1 or x.size != wanted:
            raise ValueError(
                f"curve {self.label!r}: x must hold {wanted} numbers for y of shape {y.shape}, "
                f"got shape {x.shape}"
            )


@dataclass(frozen=True)
class Frame:
    """What one setting of the controls shows: curves, and a sentence with the numbers."""

    curves: Sequence[Curve]
    readout: str
    xlim: tuple[float, float] | None = None
    ylim: tuple[float, float] | None = None


@dataclass
class Explorer:
    """A figure with sliders.

    name: its id, unique in the book. function: called with one value of each control, returns a
    `Frame`. controls: control name → its list of values, or → {label: value}. labels: control
    name → what the page calls it. xlim, ylim hold for all frames unless a frame brings its own.
    start: control name → index shown first (default: the middle). `spec`, and what shows it,
    raise `ValueError` if the data exceed 150 KB, naming the size.

    >>> def frame(k):
    ...     x = np.linspace(0, 1, 20)
    ...     return Frame([Curve("power", x, x**k)], f"x to the power {k}")
    >>> explorer = Explorer("powers", "Powers", frame, {"k": [1, 2, 3]}, {"k": "exponent"},
    ...                     xlim=(0, 1), ylim=(0, 1))
    >>> explorer.spec["frames"][2]["readout"]
    'x to the power 3'
    """

    name: str
    title: str
    function: Callable[..., Frame]
    controls: Mapping[str, Sequence | Mapping]
    labels: Mapping[str, str]
    xlim: tuple[float, float] = (0, 1)
    ylim: tuple[float, float] = (0, 1)
    xlabel: str = "x"
    ylabel: str = "y"
    xscale: str = "linear"
    yscale: str = "linear"
    start: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self):
        if not self.controls or len(self.controls) > 3:
            raise ValueError(f"controls must be one to three, got {len(self.controls)}")
        for name in ("xscale", "yscale"):
            one_of(name, getattr(self, name), ("linear", "log"))
        missing = set(self.controls) - set(self.labels)
        if missing:
            raise ValueError(f"labels must name every control; missing: {', '.join(missing)}")
        for name, values in zip(self.controls, self._values(), strict=True):
            at, n = self.start.get(name, 0), len(values)
            if at not in range(n):
                raise ValueError(f"start of {name!r} must be one of its {n} places, got {at!r}")

    def _values(self) -> list[list]:
        return [list(c.values() if isinstance(c, Mapping) else c) for c in self.controls.values()]

    def frame(self, indices: Sequence[int]) -> Frame:
        """The frame at the given slider positions, straight from the function."""
        picked = (values[i] for values, i in zip(self._values(), indices, strict=True))
        return self.function(**dict(zip(self.controls, picked, strict=True)))

    @cached_property
    def spec(self) -> dict:
        """What the view needs, ready for JSON, computed once and checked for size."""
        counts = [len(values) for values in self._values()]
        frames = [self.frame(indices) for indices in itertools.product(*map(range, counts))]
        first = frames[0].curves
        for f in frames:
            if [c.label for c in f.curves] != [c.label for c in first]:
                raise ValueError("every frame must have the same curves in the same order")
        x0 = _short(first[0].x)
        same = all(_short(c.x) == x0 for f in frames for c in f.curves)
        spec = {
            "name": self.name,
            "title": self.title,
            "controls": [
                {
                    "name": key,
                    "label": self.labels[key],
                    "text": [str(t) for t in values],
                    "start": self.start.get(key, len(values) // 2),
                }
                for key, values in self.controls.items()
            ],
            **{k: getattr(self, k) for k in ("xlabel", "ylabel", "xscale", "yscale")},
            "xlim": list(self.xlim),
            "ylim": list(self.ylim),
            "x": x0 if same else None,
            "curves": [{"label": c.label, "kind": c.kind, "color": c.color} for c in first],
            "frames": [_plain(f, same) for f in frames],
        }
        size = len(json.dumps(spec, separators=(",", ":")))
        if size > MOST_BYTES:
            raise ValueError(f"explorer {self.name!r} holds {size} bytes, at most {MOST_BYTES}")
        return spec

    def widget(self):
        """The explorer as an ipywidget (through anywidget), with a synced trait `state`."""
        import anywidget
        import traitlets

        class View(anywidget.AnyWidget):
            _esm = _HERE / "explorer.js"
            _css = _HERE / "explorer.css"
            spec = traitlets.Dict().tag(sync=True)
            state = traitlets.List().tag(sync=True)

        return View(spec=self.spec, state=[c["start"] for c in self.spec["controls"]])

    def html(self) -> str:
        """A static page's part: the data, and a still figure for readers without JavaScript."""
        data = json.dumps(self.spec, separators=(",", ":")).replace("<", "\\u003c")
        alt = html.escape(f"{self.title}. {self._first().readout}", quote=True)
        return (
            f'<div class="isolib-explorer" data-explorer="{html.escape(self.name)}">'
            f'<script type="application/json">{data}</script>'
            f'<noscript><img alt="{alt}" src="{self._still()}"></noscript></div>'
        )

    def _first(self) -> Frame:
        return self.frame([c["start"] for c in self.spec["controls"]])

    def _still(self) -> str:
        from isolib import plots

        frame, figure = self._first(), io.BytesIO()
        with plots.mpl.rc_context(plots._STYLE):
            ax = plots.axes(
                xlabel=self.xlabel,
                ylabel=self.ylabel,
                xscale=self.xscale,
                yscale=self.yscale,
                title=self.title,
            )
            for c in frame.curves:
                color = plots.INK if c.kind == "theory" else plots.COLORS[c.color]
                if c.kind == "atoms":
                    middle, high = np.mean(frame.xlim or self.xlim), ax.get_xaxis_transform()
                    for i, (x, weight) in enumerate(zip(c.x, c.y, strict=True)):
                        ax.axvline(x, color=plots.INK, ls=":", label=None if i else c.label)
                        side = "right" if x > middle else "left"
                        ax.text(x, 0.93, f" {weight:.4g} ", transform=high, ha=side)
                elif c.kind == "steps":
                    ax.stairs(c.y, c.x, fill=True, color=color, alpha=0.4, label=c.label)
                else:
                    ax.plot(
                        c.x, c.y, "o" if c.kind == "points" else "-", color=color, label=c.label
                    )
            ax.set(xlim=frame.xlim or self.xlim, ylim=frame.ylim or self.ylim)
            ax.legend()
            ax.figure.savefig(figure, format="png", dpi=80)
            plots.plt.close(ax.figure)
        return "data:image/png;base64," + base64.b64encode(figure.getvalue()).decode()

    def _repr_mimebundle_(self, **kwargs):
        bundle = {"text/plain": f"{self.title}. {self._first().readout}", "text/html": self.html()}
        if os.environ.get("ISOLIB_STATIC"):  # a page is being built: nobody to talk to a widget
            return bundle
        live = self.widget()._repr_mimebundle_(**kwargs)
        return bundle | (live[0] if isinstance(live, tuple) else live or {})


def _short(numbers) -> list:
    """Numbers to 5 significant digits; what is not finite becomes null (a gap)."""
    return [float(f"{v:.5g}") if math.isfinite(v) else None for v in np.asarray(numbers, float)]


def _plain(frame: Frame, shared_x: bool) -> dict:
    curves = []
    for c in frame.curves:
        finite(f"x of curve {c.label!r}", c.x)
        curves.append({"y": _short(c.y)} if shared_x else {"x": _short(c.x), "y": _short(c.y)})
    out = {"curves": curves, "readout": frame.readout}
    for key in ("xlim", "ylim"):
        if getattr(frame, key) is not None:
            out[key] = [float(v) for v in getattr(frame, key)]
    return out
