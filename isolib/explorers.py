"""Every explorer of the book by name: `explorers.marchenko_pastur()` shows one on any page.

An explorer is a function in `isolib.pages` that says it returns an `Explorer`; there is no list
to keep.

>>> import isolib.explorers as explorers
>>> explorers.ALL["marchenko-pastur"] is explorers.marchenko_pastur
True
"""

import importlib
import pkgutil

from isolib import pages

_MODULES = [
    importlib.import_module(m.name) for m in pkgutil.iter_modules(pages.__path__, "isolib.pages.")
]
_FUNCTIONS = {
    name: value
    for module in _MODULES
    for name, value in vars(module).items()
    if getattr(value, "__annotations__", {}).get("return") == "Explorer"
}

#: the browser tests draw each of these and compare with its function
ALL = {name.replace("_", "-"): function for name, function in _FUNCTIONS.items()}

globals().update(_FUNCTIONS)
