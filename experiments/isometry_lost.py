"""Chapter 9: the singular values of J while orthogonal tanh networks learn with SGD.

Each q* at the rate at which `learning_time` found it to learn fastest.
"""

from __future__ import annotations

import numpy as np
import torch

from experiments.deep_training import network, pictures
from isolib import results, scale, spectra, training

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def run():
    device, steps, shown = scale.device(), scale.pick(test=12, laptop=300, paper=10_000), 8
    seeds = range(scale.pick(test=2, laptop=5, paper=5))
    n = results.load("learning-time" + ("-paper" if scale.name() == "paper" else ""))["data"]
    x, y, held, name = pictures(int(n["count"]))
    images, labels = torch.as_tensor(x).to(device), torch.as_tensor(y).to(device)
    grid = training.log_steps(steps, 12)

    def spectrum(q, rate, seed):
        """Quantiles of the singular values of J during training, and the test accuracy."""
        net = network(
            depth=int(n["at"]), width=int(n["width"]), q=q, seed=seed, activation="tanh",
            weights="orthogonal", inputs=x.shape[1], outputs=10,
        ).to(device)  # fmt: skip
        update = torch.optim.SGD(net.parameters(), lr=rate)
        draw = training.minibatches(len(x), int(n["batch"]), torch.Generator().manual_seed(seed))
        rows = []
        for step in range(steps + 1):
            if step in grid:
                s = spectra.singular_values(net, held[0][:shown]).cpu().double()
                answer = net(torch.as_tensor(held[0])).argmax(1).cpu().numpy()
                rows.append([*np.quantile(s.numpy(), QUANTILES), (answer == held[1]).mean()])
            i = next(draw).to(device)
            update.zero_grad()
            torch.nn.functional.cross_entropy(net(images[i]), labels[i]).backward()
            update.step()
        return np.array(rows)

    out: dict = {key: n[key] for key in ("at", "width", "batch", "count", "qs")}
    out |= {"images": name, "images_in_j": shown, "quantiles": QUANTILES, "step": grid}
    out |= {"rate": {}, "during": {}}
    for q in n["qs"]:
        late = np.where(np.isfinite(t := n["by_q"][f"{q:g}"]), t, np.inf)
        late = late[1] if np.isfinite(np.median(late[1], axis=1)).any() else late[0]
        rate = n["shares"][np.median(late, axis=1).argmin()] / (n["at"] * n["width"] * q)
        runs = np.array([spectrum(q, rate, seed) for seed in seeds])
        out["rate"][f"{q:g}"], out["during"][f"{q:g}"] = rate, runs
        print(f"  q* = {q}: s_max {runs[:, [0, -1], -2].mean(0)}, accuracy {runs[:, -1, -1]}")
    return out, seeds
