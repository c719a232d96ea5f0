"""The Sphinx extension of this book: its pages, its checks, its notebooks.

pages      styles, explorers, buttons, and the execution cache's key
checks     what would leave a reader without something fails the build
tables     the reproduction ledger and the errata, from their data files
reference  the library's page, from its docstrings
notebooks  every chapter as an .ipynb that opens on Colab
sets       the students' notebooks of the problem sets, and the table that links them
costs      what each page costs: seconds, bytes, minutes of its stored runs
pdf        the finished site as one printed book (called by the build, not by Sphinx)
"""


def setup(app):
    for name in (
        "numbers",
        "pages",
        "checks",
        "tables",
        "reference",
        "notebooks",
        "sets",
        "costs",
    ):
        app.setup_extension(f"sitekit.{name}")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
