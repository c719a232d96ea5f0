"""The library's reference page: docstrings as they stand, read by sphinx.ext.autodoc.

Docstrings are written for `help()`: |x| is an absolute value there, and types are words, not
links. The hooks keep reStructuredText from reading more into them.
"""

from __future__ import annotations

import re


def bars(app, what, name, obj, options, lines):
    """An absolute value is no substitution: |x| stays |x|, outside code and examples."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith(">>>"):
            parts = re.split(r"(`+[^`]*`+)", line)
            parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
            lines[i] = "".join(parts)


def constants(app, what, name, obj, skip, options):
    """Functions and classes are documented; constants and a named tuple's fields are not."""
    field = (getattr(obj, "__doc__", None) or "").startswith("Alias for field number")
    return True if field or what == "module" and not callable(obj) else None


def plain(app, env, node, content):
    """A type that has no page of its own is text."""
    return content if node.get("refdomain") == "py" else None


def setup(app):
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.napoleon")
    app.connect("autodoc-process-docstring", bars, priority=900)
    app.connect("autodoc-skip-member", constants)
    app.connect("missing-reference", plain)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
