"""Chapter 15, two controls of `margins`, everything else as there.

wide: a margin that hardly binds. If the parametrisation, and not the constraint, slowed learning,
this setting would be as slow as the narrow ones. fast: a rate above the two of `margins`, in case
the constrained nets only wanted larger steps.
"""

from experiments import margins
from isolib import scale

EXTRA = 1e-2


def run():
    rates = scale.pick(test=[3e-3], laptop=[1e-3, 3e-3, EXTRA], paper=[3e-4, 1e-3, 3e-3, EXTRA])
    wide, seeds = margins.run(margins=[0.9], rates=rates)
    fast, _ = margins.run(margins=[0.0, 0.1, margins.FREE], rates=[EXTRA])
    return {"wide": wide, "fast": fast}, seeds
