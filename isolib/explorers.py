"""Every explorer of the book by name: `explorers.marchenko_pastur()` shows one on any page.

>>> import isolib.explorers as explorers
>>> explorers.ALL["marchenko-pastur"] is explorers.marchenko_pastur
True
"""

from isolib.pages.random_matrices import marchenko_pastur, stieltjes
from isolib.pages.why_isometry import depth_and_conditioning

#: the browser tests draw each of these and compare with its function
ALL = {
    function.__name__.replace("_", "-"): function
    for function in (depth_and_conditioning, stieltjes, marchenko_pastur)
}
