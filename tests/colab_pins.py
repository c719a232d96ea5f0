"""Move requirements-colab.txt to the versions that Colab has now.

Google publishes what its machines hold as the output of `pip freeze`. The weekly run pipes that
list into this script before it runs the notebooks, so a page that Colab's next image would break
fails here first:

    curl -fsSL https://raw.githubusercontent.com/googlecolab/backend-info/main/pip-freeze.txt |
        python tests/colab_pins.py requirements-colab.txt
"""

import re
import sys
from pathlib import Path


def versions(freeze: str) -> dict[str, str]:
    """Name → version of every line, local labels (+cu126) left out, wheels by their file name.

    >>> found = versions("Torch==2.9.0+cu126\\ntqdm @ https://x/tqdm-4.67-py3-none-any.whl\\n# no")
    >>> found["torch"], found["tqdm"]
    ('2.9.0', '4.67')
    """
    out = {}
    for line in freeze.splitlines():
        pin = re.match(r"([\w.-]+)(?:==| @ \S*/[\w.]+-)(\d[\w.]*)", line)
        if pin:
            out[canonical(pin[1])] = pin[2]
    return out


def canonical(name: str) -> str:
    """A package's name as an index writes it.

    >>> canonical("Jupyter_Client")
    'jupyter-client'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def moved(pins: str, freeze: str) -> str:
    """The pins with the versions of the freeze; `ValueError` if it has none for one of them.

    What runs the notebooks (below the line that says so) keeps its own versions.

    >>> moved("numpy==2.0\\nanywidget\\n# what runs the notebooks\\nnbval==1\\n", "numpy==2.1\\n")
    'numpy==2.1\\nanywidget\\n# what runs the notebooks\\nnbval==1\\n'
    """
    found = versions(freeze)
    head, mark, tail = pins.partition("# what runs the notebooks")

    def new(pin):
        if canonical(pin[1]) not in found:
            raise ValueError(f"the freeze has no version of {pin[1]}")
        return f"{pin[1]}=={found[canonical(pin[1])]}"

    return re.sub(r"^([\w-]+)==\S+", new, head, flags=re.M) + mark + tail


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(moved(path.read_text("utf-8"), sys.stdin.read()), "utf-8")
    print(path.read_text("utf-8"))
