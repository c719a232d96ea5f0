"""What would leave a reader without something is a warning, and a warning fails the build."""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.util import logging

LOG = logging.getLogger(__name__)


def figures(app, doctree, docname):
    """Every picture says in words what it shows."""
    for image in doctree.findall(nodes.image):
        alt = (image.get("alt") or "").strip()
        if len(alt) < 10 or alt == image.get("uri"):
            LOG.warning(
                "a figure without alt text: give its cell the metadata mystnb: image: alt: with a "
                "sentence that says what the figure shows (at least 10 characters)",
                location=image,
            )


def widgets(app, doctree, docname):
    """A widget that needs a kernel would be dead on the page."""
    for raw in doctree.findall(nodes.raw):
        if "vnd.jupyter.widget-view" in raw.astext():
            LOG.warning(
                "an ipywidget that needs a kernel is shown: use isolib.explore.Explorer, whose "
                "frames are computed beforehand, so that it moves on a static page too",
                location=raw,
            )


def addresses(app, doctree, docname):
    """Links to other places use https."""
    for link in doctree.findall(nodes.reference):
        if link.get("refuri", "").startswith("http:"):
            LOG.warning("a link without https: %s", link["refuri"], location=link)


def removed_cells(app, docname, source):
    """A notebook without a cell that the page's kernel runs would not run."""
    match = re.search(r"^(:?tags:|\s*-) .*\bremove-cell\b", source[0], re.M)
    if match:
        LOG.warning(
            "a cell is removed by the tag remove-cell, so the notebook would lack its code: "
            "use hide-cell instead",
            location=(docname, source[0].count("\n", 0, match.start()) + 1),
        )


def setup(app):
    app.connect("source-read", removed_cells)
    for check in (figures, widgets, addresses):
        app.connect("doctree-resolved", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
