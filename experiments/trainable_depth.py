"""Chapter 5: which tanh networks train, over σ_w² and depth, at σ_b² = 0.05 on images.

Every network starts with its input at the fixed point q* of the length map, so that depth and
σ_w² are all that differs. The seeds of a cell are trained as one stack. The page draws 6 ξ_c over
the result.
"""

from __future__ import annotations

import numpy as np

from isolib import data, meanfield, networks, scale, training

SIGMA_B2 = 0.05
#: optimiser → learning rate, the same for every depth and every σ_w²
RATES = {"momentum": 2e-3, "adam": 1e-4}


def at_fixed_point(x: np.ndarray, sigma_w2: float) -> np.ndarray:
    """Every image scaled so that its first pre-activations have mean square q*."""
    q = meanfield.fixed_point("tanh", sigma_w2, SIGMA_B2)
    size = (q - SIGMA_B2) / sigma_w2
    return (x * np.sqrt(size / (x**2).mean(1, keepdims=True))).astype(np.float32)


def run():
    images = data.images("mnist")
    width, steps = scale.pick(test=50, laptop=100, paper=300), scale.pick(
        test=20, laptop=300, paper=2000
    )  # fmt: skip
    sigma_w2 = scale.pick(
        test=[1.0, 1.76],
        laptop=[1.0, 1.3, 1.6, 1.76, 2.2, 2.8, 3.4, 4.0],
        paper=np.linspace(1.0, 4.0, 13).round(2).tolist(),
    )
    depths = scale.pick(
        test=[5, 10],
        laptop=[10, 20, 40, 60, 80, 120],
        paper=[10, 20, 40, 60, 80, 120, 160, 200, 300],
    )
    seeds = range(scale.pick(test=1, laptop=3, paper=3))
    out: dict = {"images": images.name, "width": width, "steps": steps, "batch": 64,
                 "sigma_b2": SIGMA_B2, "sigma_w2": sigma_w2, "depth": depths,
                 "rates": RATES}  # fmt: skip
    for optimiser, lr in RATES.items():
        accuracy = []
        for w in sigma_w2:
            runs = [
                dict(
                    depth=depth, width=width, activation="tanh", sigma_w2=w, sigma_b2=SIGMA_B2,
                    weights="gaussian", inputs=images.x_train.shape[1], outputs=10, seed=seed,
                    lr=lr,
                )
                for seed in seeds for depth in depths
            ]  # fmt: skip
            histories = training.Sweep(
                networks.MLP, runs, at_fixed_point(images.x_train, w), images.y_train,
                optimiser=optimiser, steps=steps, batch_size=64, log_points=2,
                device=scale.device(),
            ).run()  # fmt: skip
            accuracy.append(np.reshape([h.accuracy[-1] for h in histories], (len(seeds), -1)))
            print(f"  {optimiser} σ_w² = {w}: {accuracy[-1].mean(0).round(3)}", flush=True)
        out[optimiser] = {"accuracy": np.stack(accuracy, 1)}  # (seeds, σ_w², depths)
    return out, seeds
