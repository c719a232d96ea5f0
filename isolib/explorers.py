"""Every explorer of the book by name: `explorers.marchenko_pastur()` shows one on any page.

>>> import isolib.explorers as explorers
>>> explorers.ALL["marchenko-pastur"] is explorers.marchenko_pastur
True
"""

from isolib.pages.convolutions import spatial_modes
from isolib.pages.free_addition import free_sum, turning
from isolib.pages.free_multiplication import product_spectrum, projection_atoms
from isolib.pages.in_practice import designs
from isolib.pages.jacobian_spectra import network_spectrum
from isolib.pages.linear_dynamics import mode_learning
from isolib.pages.outlook import newton_schulz_map, newton_schulz_spectrum
from isolib.pages.random_matrices import marchenko_pastur, stieltjes
from isolib.pages.recurrent_networks import gain_and_time, gain_in_training
from isolib.pages.residual_isometry import residual_escape, universal_law
from isolib.pages.residual_signal import residual_lengths, skip_strength
from isolib.pages.residual_training import training_curves
from isolib.pages.signal_propagation import correlation_cobweb, phase_diagram
from isolib.pages.soft_orthogonality import penalty_flow
from isolib.pages.spectral_universality import universality
from isolib.pages.stiefel import margin_in_time, retraction_errors
from isolib.pages.training_deep_networks import learning_curves
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
    learning_curves,
    spatial_modes,
    residual_lengths,
    skip_strength,
    universal_law,
    residual_escape,
    training_curves,
    penalty_flow,
    retraction_errors,
    margin_in_time,
    gain_and_time,
    gain_in_training,
    designs,
    newton_schulz_map,
    newton_schulz_spectrum,
)

#: the browser tests draw each of these and compare with its function
ALL = {function.__name__.replace("_", "-"): function for function in _IN_ORDER}
