"""What a diagnosis holds, and the words for it: symptom, meaning, change."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import torch

NAN = float("nan")
#: torch's names for products with a weight matrix, for what is linear in the signal besides, for
#: activations with φ(ch) = cφ(h), and for those without
MATRICES = {"Addmm", "Mm", "Linear", "Convolution", "MkldnnConvolution"}
LINEAR = {"T", "Transpose", "Permute", "View", "UnsafeView", "Clone", "Select", "Unbind"}
HOMOGENEOUS = MATRICES | LINEAR | {"torch::autograd::AccumulateGrad", "Relu", "LeakyRelu"}
KNOWN = HOMOGENEOUS | {"Tanh", "Gelu", "Silu", "Elu", "Sigmoid", "Erf", "Hardtanh", "Softplus"}


@dataclass(frozen=True)
class Spectrum:
    """Singular values of one Jacobian, and what is read off them.

    name: from where to where. shape: (out, in) for one input. values: (batch, min(out, in)),
    descending; None where the matrix is too large, and then mean and spread come from random
    directions, s_max is a bound from below, condition and dead are nan. mean: of s². spread: the
    variance of s² over its mean squared. condition: s_max/s_min, inf where s_min is not told from
    zero by rounding (min(out, in)·ε·s_max, as in numpy's rank). dead: the share of s below a
    thousandth of the root mean square. Each is a mean over inputs (condition: their median); with
    values None, of the block matrix of all inputs.
    """

    name: str
    shape: tuple[int, int]
    values: torch.Tensor | None = field(repr=False)
    mean: float
    spread: float
    s_max: float
    condition: float = NAN
    dead: float = NAN

    def __str__(self):
        text = f"{self.shape[0]} × {self.shape[1]}, mean of s² {self.mean:.3g}, "
        text += f"spread {self.spread:.3g}, s_max {self.s_max:.3g}"
        if self.values is None:
            size = self.shape[0] * self.shape[1] * 4 / 2**20
            return text + f" or more (random directions only: {size:.0f} MiB a matrix in float32)"
        known = f"{self.condition:.3g}" if self.condition < np.inf else "∞ (s_min below rounding)"
        return text + f",\n    condition {known}, dead {self.dead:.1%}"


@dataclass(frozen=True)
class Stage:
    """One stage of the model: a submodule's output, and the Jacobian from the stage before.

    name; size: numbers an input has there. length: root mean square of them. common: how much of
    their mean square all inputs share, 0 … 1 (nan for one input). mean, spread: as in `Spectrum`,
    for all inputs together, from random directions. skip: tr J/size, near 1 for a residual stage
    and near 0 for random weights (nan if not square). gradient: the norm, at this stage, of the
    gradient of a random unit combination of the outputs. operations: how often each operation of
    torch's graph lies between the stage before and this one.
    """

    name: str
    size: int
    length: float
    common: float
    mean: float
    spread: float
    skip: float
    gradient: float
    operations: Counter = field(repr=False)


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` returns; printing it shows everything in words.

    whole: the `Spectrum` of output against input (for the book's own networks the hidden block).
    trunk: that of the longest run of stages of equal size, without the layers before and after;
    None if that is well under half of the stages, or all. stages: a `Stage` each, in order, the
    input first. worst: the name of the stage of the trunk that departs furthest from isometry.
    findings: sentences (symptom, meaning, change).
    """

    whole: Spectrum
    trunk: Spectrum | None
    stages: list[Stage]
    worst: str | None
    findings: list[str]

    @property
    def singular_values(self):
        """Those of `whole`."""
        return self.whole.values

    @property
    def gradient_growth(self) -> float:
        """The gradient's norm at the input over that at the last stage."""
        return self.stages[0].gradient / self.stages[-1].gradient

    def __repr__(self):
        parts = [self.whole] if self.trunk is None else [self.whole, self.trunk]
        lines = [f"{part.name}: {part}" for part in parts]
        lines.append("stage                 size      rms  common  mean s²   spread  gradient")
        shown = self.stages
        if len(shown) > 14:
            shown = [*shown[:6], None, *shown[-6:]]
        for s in shown:
            lines.append(
                f"  … {len(self.stages) - 12} more" if s is None else
                f"{s.name[:20]:20} {s.size:5d} {s.length:8.3g} "
                f"{'–' if np.isnan(s.common) else f'{s.common:.2f}':>7} {s.mean:8.3g} "
                f"{s.spread:8.3g} {s.gradient:9.3g}"
            )  # fmt: skip
        return "\n".join(lines + [f"→ {text}" for text in self.findings])


def departure(stage):
    """How far a stage is from isometry: the logarithm of its mean, and its spread."""
    if not stage.mean > 0:
        return np.inf
    return np.log(stage.mean) ** 2 + (stage.spread if np.isfinite(stage.spread) else 0.0)


# fmt: off
def free_spread(sizes, spreads):
    """The spread of a product of free factors, n₀ → n₁ → …, that have these spreads.

    With P = tr A²/(tr A)² for A = JᵀJ, P of the product is the sum of those of the factors less
    1/n for every size in between; in a chain of one size the spreads add.

    >>> round(free_spread([9, 9, 9], [1, 0.5]), 2), round(free_spread([100, 30, 100], [0, 0]), 2)
    (1.5, 2.33)
    """
    n = np.array(sizes, dtype=float)
    own = (1 + np.array(spreads)) / np.minimum(n[1:], n[:-1])
    return float(min(n[0], n[-1]) * (own.sum() - (1 / n[1:-1]).sum()) - 1)


def findings(model, core, part, rows):
    """Sentences: symptom, meaning, change. `part`: the rows of the trunk, with its start."""
    said, inner = [], part[1:]
    layers = [s for s in inner if s.operations.keys() & MATRICES]
    matrices = sum(s.operations[name] for s in layers for name in MATRICES)
    names = set().union(*(s.operations for s in inner))
    residual = bool(layers) and all(s.skip > 0.3 and s.operations["Add"] for s in layers)
    plain = matrices > 0 and names <= KNOWN
    weaken = "Change: weaken the residual branches, by 1/√(number of blocks) or from 0."
    unit = f"{len(layers)} blocks" if residual else f"{matrices} weight matrices"
    if core.mean == 0:
        return ["The Jacobian is zero. Look for the first stage whose mean of s² is 0."]
    if not 0.1 <= core.mean <= 10:
        factor = core.mean ** (1 / max(len(layers) if residual else matrices, 1))
        exact = "exact without biases" if names <= HOMOGENEOUS else "a first guess; or see design"
        change = weaken if residual else (
            f"Change: multiply each by about {factor**-0.5:.3g} ({exact}).")
        said.append(
            f"The gradient {'explodes' if core.mean > 1 else 'vanishes'}: the mean of s² is "
            f"{core.mean:.3g}, a factor {factor:.3g} for each of {unit}. {change}"
            if residual or plain else f"The mean of s² is {core.mean:.3g}. Look for the stages "
            "whose own mean is far from 1.")
    sizes = [s.size for s in part]
    free, bare = (free_spread(sizes, [f * s.spread for s in inner]) for f in (1.0, 0.0))
    if core.spread > 3 * free + 1:
        v = core.values
        top = "" if v is None else (
            f", and s_max is {float((v[:, 0] / v[:, 1]).median()):.3g} times the next")
        said.append(
            f"The stages are not free of each other: the spread is {core.spread:.3g}, free ones "
            f"would give {free:.2g}{top}. Usual reasons: a direction they share (a mean over "
            "neurons or tokens), or shared weights. "
            + (weaken if residual else "A mean can be taken off."))
    elif core.spread > 1:
        worst = max(inner, key=lambda s: s.spread)
        one = len(set(sizes)) == 1 and len(inner) > 2 and 2 * worst.spread > sum(
            s.spread for s in inner)
        said.append(
            f"The singular values are spread: variance of s² {core.spread:.3g} of its mean "
            "squared" + (f", of which the sizes alone make {bare:.2g}" if bare > 0.1 else "") + (
                f", most of it in {worst.name!r} ({worst.spread:.3g}). Look there." if one else
                f". {weaken}" if residual else ". Change: orthogonal weights (square Gaussian "
                "ones cost 1 a layer) and an activation near its linear part (a ReLU costs 1 a "
                "layer); see spectra.design." if plain and bare < core.spread / 3 else "."))
    n, narrow = min(core.shape), min(part, key=lambda s: s.size)
    norms = [m.normalized_shape for m in model.modules() if isinstance(m, torch.nn.LayerNorm)]
    if core.dead > 0.01 + max((2 / np.prod(shape) for shape in norms), default=0):
        said.append(f"{core.dead:.0%} of the singular values are less than a thousandth of the "
                    "root mean square: those directions do not pass. " + (
                        f"{narrow.name!r} has only {narrow.size} numbers for {n}."
                        if narrow.size < n else "Places to look: cut-off neurons, a narrow layer "
                        "inside a stage, averaging, attention without a skip; a normalisation "
                        "takes two a group or token, which is harmless."))
    if 1 - inner[-1].common < 0.2 * min(1 - rows[0].common, 0.25):
        said.append(f"The inputs have become alike: {inner[-1].common:.1%} of the mean square at "
                    f"{inner[-1].name!r} is common to them, {rows[0].common:.1%} at the input."
                    + (" Change: centre the branches." if residual else ""))
    counts = [getattr(m, "num_batches_tracked", None) for m in model.modules()]
    if any(k is not None and int(k) == 0 for k in counts):
        said.append("Batch normalisation has seen no batch: in eval mode it does nothing yet. "
                    "Run a few batches in train mode, then diagnose again.")
    if len(rows) == 2 and len(list(model.modules())) > 3:
        said.append("No submodule carries the whole signal; if skip connections pass around "
                    "them, put each block with its skip into a module of its own.")
    healthy = f"Nothing to mend at these inputs: mean of s² {core.mean:.2g}, spread "
    return said or [f"{healthy}{core.spread:.2g}."]
