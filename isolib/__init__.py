"""isolib: the small library under the book *Dynamical Isometry*.

Theory (`laws`, `ensembles`, `activations`) needs NumPy and SciPy only; networks (`networks`,
`spectra`, `training`) need PyTorch and import it themselves. Importing `isolib` alone imports
neither.

>>> import isolib
>>> isolib.__version__
'0.1.0'
"""

__version__ = "0.1.0"
