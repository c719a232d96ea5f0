"""`python -m sitekit.picture`: the picture of the landing page, the README and social previews.

It is chapter 1's figure of the three spectra, made from the same networks.
"""

from __future__ import annotations

import numpy as np
import torch

from experiments.why_isometry import Q_INPUT, STARTS, network
from isolib import plots
from isolib.products import log_singular_values
from sitekit.repository import ROOT


def main():
    plots.setup()
    image = np.sqrt(Q_INPUT) * torch.randn(64, dtype=torch.float64, generator=torch.manual_seed(0))
    ax = plots.axes(
        xlabel="rank of the singular value",
        ylabel="log10 of the singular value",
        figsize=(8, 4.2),
    )
    for start in STARTS:
        net = network(start, 64, width=100).double()
        h = net.preactivations(image)
        slopes = (net.activation.slope(a)[:, None] for a in h)
        factors = (d * w for d, w in zip(slopes, net.weight, strict=True))
        logs = log_singular_values(f.detach().numpy() for f in factors) / np.log(10)
        ax.plot(np.arange(1, 101), logs, label=f"{start} weights", lw=2.4)
    ax.axhline(0, color=plots.INK, lw=1, ls=":")
    ax.legend(loc="lower left", fontsize=11)
    for path in ("book/_static/three-networks.png", "sitekit/static/social.png"):
        ax.figure.savefig(ROOT / path, dpi=150, metadata={"Software": None})


if __name__ == "__main__":
    main()
