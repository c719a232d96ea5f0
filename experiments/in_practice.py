"""Chapter 17: three models of a reader, trained before and after a diagnosis, on digits.

A plain convolutional network, a residual one and a transformer encoder, written as the page writes
them (a test compares the two). Every variant first tries all rates with one seed that is not used
again, takes the one of lowest training loss, and is run with all seeds.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from isolib import data, scale, spectra, training

TRIAL_SEED = 1000


class PlainCNN(nn.Module):
    """`depth` tanh convolutions without skips, between a first one and a readout."""

    def __init__(self, depth=40, channels=8):
        super().__init__()
        self.first = nn.Conv2d(1, channels, 3, padding=1)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.Tanh())
            for _ in range(depth)
        )
        self.readout = nn.Linear(channels, 10)

    def forward(self, x):
        x = self.first(x)
        for layer in self.layers:
            x = layer(x)
        return self.readout(x.mean((2, 3)))


def delta_orthogonal(model, design, x):
    """The design's σ_w², σ_b² in every layer; the first one scaled so that q is met at once."""
    for conv, _ in model.layers:
        nn.init.zeros_(conv.weight)
        nn.init.orthogonal_(conv.weight[:, :, 1, 1].detach(), gain=design.sigma_w2**0.5)
        nn.init.normal_(conv.bias, std=design.sigma_b2**0.5)
    with torch.no_grad():
        wanted = (design.q - design.sigma_b2) / design.sigma_w2
        factor = (wanted / model.first(x).square().mean()).sqrt()
        model.first.weight *= factor
        model.first.bias *= factor


class Block(nn.Module):
    """x plus α times two convolutions with a ReLU between them."""

    def __init__(self, channels, alpha, norm, learn):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels) if norm else nn.Identity()
        self.alpha = nn.Parameter(torch.tensor(float(alpha)), requires_grad=learn)
        for conv in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")

    def forward(self, x):
        return x + self.alpha * self.conv2(torch.relu(self.conv1(self.norm(x))))


class ResNet(nn.Module):
    """`depth` residual blocks between a convolution and a readout."""

    def __init__(self, depth=24, channels=8, alpha=1.0, norm=False, learn=False):
        super().__init__()
        self.first = nn.Conv2d(1, channels, 3, padding=1)
        self.blocks = nn.ModuleList(Block(channels, alpha, norm, learn) for _ in range(depth))
        self.readout = nn.Linear(channels, 10)

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.readout(x.mean((2, 3)))


class Layer(nn.Module):
    """One encoder layer, normalised before the branches ("pre") or after the sums ("post")."""

    def __init__(self, d, where, alpha):
        super().__init__()
        self.attention = nn.MultiheadAttention(d, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.where, self.alpha = where, alpha

    def forward(self, x):
        if self.where == "post":
            x = self.norm1(x + self.alpha * self.attention(x, x, x)[0])
            return self.norm2(x + self.alpha * self.mlp(x))
        y = self.norm1(x)
        x = x + self.alpha * self.attention(y, y, y)[0]
        return x + self.alpha * self.mlp(self.norm2(x))


class Encoder(nn.Module):
    """`depth` layers on the eight rows of a picture; the readout sees the mean token."""

    def __init__(self, depth=24, d=32, where="post", alpha=1.0):
        super().__init__()
        self.embed = nn.Linear(8, d)
        self.place = nn.Parameter(torch.randn(8, d) / 2)
        self.layers = nn.ModuleList(Layer(d, where, alpha) for _ in range(depth))
        self.readout = nn.Linear(d, 10)
        for w in self.layers.parameters():
            if w.ndim == 2:
                nn.init.xavier_uniform_(w)  # the common choice

    def forward(self, x):
        x = self.embed(x) + self.place
        for layer in self.layers:
            x = layer(x)
        return self.readout(x.mean(1))


def sizes() -> dict:
    """What the three scales run."""
    return scale.pick(
        test=dict(seeds=2, steps=2, batch=8, points=2, cnn=3, resnet=2, encoder=2),
        laptop=dict(seeds=5, steps=200, batch=32, points=5, cnn=40, resnet=24, encoder=16),
        paper=dict(seeds=10, steps=5000, batch=64, points=15, cnn=100, resnet=100, encoder=48),
    )  # fmt: skip


def build(kind: str, variant: str, n: dict, seed: int, x):
    """One network; x is used to set the scale of the first layer where the design asks for it."""
    torch.manual_seed(seed)
    small = n["resnet"] ** -0.5
    if kind == "cnn":
        net = PlainCNN(n["cnn"])
        if variant == "designed":
            delta_orthogonal(net, spectra.design("tanh", n["cnn"]), x)
        return net
    if kind == "resnet":
        options = {"unscaled": {}, "scaled": dict(alpha=small), "normed": dict(norm=True),
                   "skipinit": dict(alpha=0.0, learn=True)}  # fmt: skip
        return ResNet(n["resnet"], **options[variant])
    small = n["encoder"] ** -0.5
    options = {"post": {}, "pre": dict(where="pre"), "post scaled": dict(alpha=small),
               "pre scaled": dict(where="pre", alpha=small)}  # fmt: skip
    return Encoder(n["encoder"], **options[variant])


VARIANTS = {
    "cnn": ["default", "designed"],
    "resnet": ["unscaled", "scaled", "skipinit", "normed"],
    "encoder": ["post", "pre", "post scaled", "pre scaled"],
}
RATES = {
    "cnn": [0.01, 0.03, 0.1],
    "resnet": [0.003, 0.01, 0.03],
    "encoder": [0.0003, 0.001, 0.003],
}


def train(net, sets, rate, steps, batch, marks, seed, adam):
    """(training loss, test accuracy) at the marks; nan after a divergence."""
    x, y, u, v = sets
    rule = torch.optim.Adam if adam else torch.optim.SGD
    update = rule(net.parameters(), lr=rate, **({} if adam else {"momentum": 0.9}))
    batches = training.minibatches(len(x), batch, torch.Generator().manual_seed(seed))
    rows = np.full((len(marks), 2), np.nan)
    for step in range(steps + 1):
        if step in marks:
            net.eval()
            with torch.no_grad():
                loss = cross_entropy(net(x[:256]), y[:256]).item()
                right = (net(u).argmax(1) == v).double().mean().item()
            if not math.isfinite(loss):
                return rows
            rows[marks.index(step)] = loss, right
            net.train()
        if step < steps:
            i = next(batches)
            update.zero_grad()
            cross_entropy(net(x[i]), y[i]).backward()
            update.step()
    return rows


def compared(make, rates, n, sets, marks, adam):
    """One variant: every rate with TRIAL_SEED, then the best of them with all seeds."""

    def one(rate, seed):
        return train(make(seed), sets, rate, n["steps"], n["batch"], marks, seed, adam)

    search = [one(rate, TRIAL_SEED)[-1, 0] for rate in rates]
    best = rates[int(np.nanargmin(np.nan_to_num(search, nan=1e9)))]
    a = np.array([one(best, s) for s in range(n["seeds"])])
    print(best, np.round(search, 3), a[:, -1].round(3).tolist(), flush=True)
    return dict(rate=best, search=search, loss=a[..., 0], accuracy=a[..., 1])


def prepared(n):
    """Pictures for training and for the test, and the steps at which a run is looked at."""
    images = data.digits(flatten=False)
    x, u = torch.tensor(images.x_train), torch.tensor(images.x_test)
    y, v = torch.tensor(images.y_train), torch.tensor(images.y_test)
    marks = sorted({0, *training.log_steps(n["steps"], n["points"])})
    return images.name, (x, y, u, v), marks


def run():
    """(data, seeds) for `python -m experiments in-practice`."""
    n, out = sizes(), {}
    name, (x, y, u, v), marks = prepared(n)
    for kind, variants in VARIANTS.items():
        rows = kind == "encoder"
        sets = (x[:, 0], y, u[:, 0], v) if rows else (x, y, u, v)
        for variant in variants:
            print(kind, variant, end=" ")

            def make(seed, kind=kind, variant=variant):
                return build(kind, variant, n, seed, x[:64])

            out[f"{kind} {variant}"] = compared(make, RATES[kind], n, sets, marks, rows)
    found = dict(nets=out, step=marks, rates=RATES, images=name, batch=n["batch"],
                 steps=n["steps"], depths={k: n[k] for k in VARIANTS})  # fmt: skip
    return found, list(range(n["seeds"]))
