"""One switch for the size of every experiment: the environment variable `ISOLIB_SCALE`.

`test` is what the notebook tests run (seconds a chapter), `laptop` the default and what the
pages are built with, `paper` the size of the papers, for a GPU. The code is the same; only the
numbers that pass through `pick` change.
"""

from __future__ import annotations

import os

from isolib._check import one_of

SCALES = ("test", "laptop", "paper")


def name() -> str:
    """The current scale: `ISOLIB_SCALE`, or "laptop" where that is unset.

    Raises `ValueError` for a value that is not a scale.

    >>> name() in SCALES
    True
    """
    return one_of("ISOLIB_SCALE", os.environ.get("ISOLIB_SCALE") or "laptop", SCALES)


def pick(*, test, laptop, paper):
    """The value that belongs to the current scale.

    >>> width = pick(test=100, laptop=400, paper=1000)
    >>> width in (100, 400, 1000)
    True
    """
    return {"test": test, "laptop": laptop, "paper": paper}[name()]


def device() -> str:
    """The torch device to compute on: "cuda" where torch sees a GPU, else "cpu".

    >>> device() in ("cuda", "cpu")
    True
    """
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
