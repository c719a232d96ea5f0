"""What a diagnosis holds, and the words for it: symptom, meaning, change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

NAN = float("nan")


@dataclass(frozen=True)
class Spectrum:
    """Singular values of one Jacobian, and what is read off them.

    name: from where to where. shape: (out, in) for one input. values: (batch, min(out, in)),
    descending; None where the matrix is too large, and then mean and spread come from random
    directions, s_max is a bound from below, condition and dead are nan. mean: of s². spread: the
    variance of s² over its mean squared. condition: s_max/s_min. dead: the share of s below a
    thousandth of the root mean square. Each is a mean over inputs (condition: their median).
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
        return text + f", condition {self.condition:.3g}, dead {self.dead:.1%}"


@dataclass(frozen=True)
class Stage:
    """One stage of the model: a submodule's output, and the Jacobian from the stage before.

    name; size: numbers an input has there. length: root mean square of them. common: how much of
    their mean square all inputs share, 0 … 1 (nan for one input). mean, spread: as in `Spectrum`,
    for all inputs together, from random directions. skip: tr J/size, near 1 for a residual stage
    and near 0 for random weights (nan if not square). gradient: the norm, at this stage, of the
    gradient of a random unit combination of the outputs.
    """

    name: str
    size: int
    length: float
    common: float
    mean: float
    spread: float
    skip: float
    gradient: float


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` returns; printing it shows everything in words.

    whole: the `Spectrum` of output against input (for the book's own networks the hidden block).
    trunk: that of the longest run of stages of equal size, without the layers before and after;
    None if there is none. stages: a `Stage` each, in order, the input first. worst: the name of
    the stage of the trunk that departs furthest from isometry. findings: sentences (symptom,
    meaning, change).
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
    def core(self) -> Spectrum:
        """The trunk if there is one, else the whole."""
        return self.trunk or self.whole

    @property
    def gradient_growth(self) -> float:
        """The gradient's norm at the input over that at the last stage."""
        return self.stages[0].gradient / self.stages[-1].gradient

    def __repr__(self):
        parts = [self.whole] if self.trunk is None else [self.whole, self.trunk]
        lines = [f"{part.name}: {part}" for part in parts]
        lines.append("stage                 size   length  common  mean s²   spread  gradient")
        shown = self.stages
        if len(shown) > 14:
            shown = [*shown[:6], None, *shown[-6:]]
        for s in shown:
            lines.append(
                f"  … {len(self.stages) - 12} more" if s is None else
                f"{s.name[:20]:20} {s.size:5d} {s.length:8.3g} {s.common:7.2f} {s.mean:8.3g} "
                f"{s.spread:8.3g} {s.gradient:9.3g}"
            )  # fmt: skip
        return "\n".join(lines + [f"→ {text}" for text in self.findings])


def departure(stage):
    """How far a stage is from isometry: the logarithm of its mean, and its spread."""
    if not stage.mean > 0:
        return np.inf
    return np.log(stage.mean) ** 2 + (stage.spread if np.isfinite(stage.spread) else 0.0)


# fmt: off
def findings(model, core, inner, rows):
    """Sentences: symptom, meaning, change."""
    said, count = [], max(len(inner), 1)
    residual = bool(inner) and all(s.skip > 0.3 for s in inner)
    total = sum(s.spread for s in inner if np.isfinite(s.spread))
    weaken = "weaken the residual branches, by 1/√(number of stages) or from 0"
    if core.mean == 0:
        return ["The Jacobian is zero. Look for the first stage whose mean of s² is 0."]
    if not 0.1 <= core.mean <= 10:
        factor = np.exp(np.log(core.mean) / count)
        change = weaken if residual else (
            f"multiply the weights of each stage by about {factor**-0.5:.3g} (exact where the "
            "activation is homogeneous), or take σ_w² from spectra.design")
        said.append(f"The gradient {'explodes' if factor > 1 else 'vanishes'}: the mean of s² is "
                    f"{core.mean:.3g}, a factor {factor:.3g} a stage. Change: {change}.")
    if core.spread > 3 * total + 1:
        said.append(
            f"The stages agree on a direction: their spreads add up to {total:.2g}, the whole has "
            f"{core.spread:.3g}; for free stages the two agree. Change: if it is a mean over "
            "neurons or tokens, take it off each branch; else weaken the branches.")
    elif core.spread > 1:
        worst = max(inner, key=lambda s: s.spread, default=None)
        where, change = f"{total / count:.2g} a stage", weaken if residual else (
            "orthogonal weights (Gaussian or uniform ones cost 1 a layer) and an activation "
            "near its linear part (a ReLU costs 1 a layer); see spectra.design")
        if worst and worst.spread > 0.5 * total and count > 2:
            where = f"most of it in {worst.name!r} ({worst.spread:.3g})"
            change = f"look at {worst.name!r}: a narrow layer, a pooling, or its weights"
        said.append(f"The singular values are spread: variance of s² {core.spread:.3g} of its "
                    f"mean squared, {where}. Change: {change}.")
    v = core.values
    if v is not None and v.shape[1] > 2 and float((v[:, 0] / v[:, 1]).median()) > 2:
        said.append("One singular value stands apart from the others: one direction, often that "
                    "of a common mean. Change: centre the branches or the activation.")
    if core.dead > 0.01:
        said.append(f"{core.dead:.0%} of the singular values are less than a thousandth of the "
                    "root mean square: those directions do not pass. Look for cut-off neurons, a "
                    "narrow stage, averaging, or attention without a skip.")
    if inner and 1 - inner[-1].common < 0.2 * min(1 - rows[0].common, 0.25):
        said.append(f"All inputs have become alike: {inner[-1].common:.1%} of the signal at "
                    f"{inner[-1].name!r} is common to them. Change: centre the branches, or move "
                    "towards the critical line (a larger σ_w²).")
    counts = [getattr(m, "num_batches_tracked", None) for m in model.modules()]
    if any(n is not None and int(n) == 0 for n in counts):
        said.append("Batch normalisation has seen no batch: in eval mode it does nothing yet. "
                    "Run a few batches in train mode, then diagnose again.")
    if len(rows) == 2 and len(list(model.modules())) > 3:
        said.append("No submodule carries the whole signal (skip connections pass around them): "
                    "put each block with its skip into a module of its own to see the stages.")
    healthy = f"Nothing to mend at these inputs: mean of s² {core.mean:.2g}, spread "
    return said or [f"{healthy}{core.spread:.2g}."]
