"""Every explorer of the book by name: `explorers.marchenko_pastur()` shows one on any page.

>>> import isolib.explorers as explorers
>>> explorers.ALL["marchenko-pastur"] is explorers.marchenko_pastur
True
"""

from isolib.pages.convolutions import spatial_modes
from isolib.pages.free_addition import free_sum, turning
from isolib.pages.free_multiplication import product_spectrum, projection_atoms
from isolib.pages.jacobian_spectra import network_spectrum
from isolib.pages.linear_dynamics import mode_learning
from isolib.pages.random_matrices import marchenko_pastur, stieltjes
from isolib.pages.signal_propagation import correlation_cobweb, phase_diagram
from isolib.pages.soft_orthogonality import penalty_flow
from isolib.pages.spectral_universality import universality
from isolib.pages.why_isometry import depth_and_conditioning

_IN_ORDER = (
    depth_and_conditioning,
    stieltjes,
    marchenko_pastur,
    turning,
    free_sum,
    projection_atoms,
    product_spectrum,
    correlation_cobweb,
    phase_diagram,
    network_spectrum,
    universality,
    mode_learning,
    spatial_modes,
    penalty_flow,
)

#: the browser tests draw each of these and compare with its function
ALL = {function.__name__.replace("_", "-"): function for function in _IN_ORDER}
