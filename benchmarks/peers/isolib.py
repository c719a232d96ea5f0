"""isolib, asked as a chapter of the book would ask it."""

from isolib import laws

packages = ["scipy"]


def settings(task):
    return ["density(x)"]


def solve(task, x, label):
    return LAWS[task["kind"]](task).density(x)


def _tanh(task):
    layer = laws.SquaredSlope("tanh", task["q"]).scaled(task["sigma_w2"])
    return layer ** task["depth"]


LAWS = {
    "marchenko-pastur": lambda task: laws.MarchenkoPastur(ratio=task["ratio"]),
    "gaussian product": lambda task: laws.MarchenkoPastur() ** task["depth"],
    "relu": lambda task: laws.Bernoulli(0.5).scaled(2) ** task["depth"],
    "marchenko-pastur product": lambda task: (
        laws.MarchenkoPastur(ratio=task["ratios"][0])
        @ laws.MarchenkoPastur(ratio=task["ratios"][1])
    ),
    "sum": lambda task: laws.Semicircle() + laws.Atoms([-1, 1], [0.5, 0.5]),
    "tanh": _tanh,
}
