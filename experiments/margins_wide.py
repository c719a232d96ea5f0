"""Chapter 15, the control of `margins`: a margin so wide that the constraint hardly binds.

If the parametrisation, and not the constraint, slowed learning, this setting would be as slow as
the narrow ones. Everything else is as in `margins`.
"""

from experiments import margins


def run():
    return margins.run(margins=[0.9])
