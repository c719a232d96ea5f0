"""scikit-rmt: samples the classical ensembles and knows the limit law of each in closed form."""

from skrmt.ensemble.spectral_law import MarchenkoPasturDistribution

packages = ["scikit-rmt", "scipy"]


def settings(task):
    if task["kind"] == "marchenko-pastur" or task.get("depth") == 1:
        return ["pdf(x)"]
    raise NotImplementedError("laws of single ensembles only: it has neither ⊞ nor ⊠")


def solve(task, x, label):
    return MarchenkoPasturDistribution(ratio=task.get("ratio", 1.0)).pdf(x)
