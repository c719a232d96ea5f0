"""What to train on: digits, MNIST and CIFAR-10, and two tasks for recurrent networks.

`digits` is always there. `mnist` and `cifar10` look in the folder named by the environment
variable ISOLIB_DATA; without that variable they use a cache, which they fill by one checksummed
download. How files are found, fetched and read is in `isolib._files`. The two tasks are drawn.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

from isolib import _files
from isolib._check import one_of, positive_int
from isolib._files import DownloadError
from isolib.ensembles import _generator

__all__ = ["Images", "DownloadError", "digits", "mnist", "cifar10", "images",
           "adding_task", "copy_task"]  # fmt: skip

NAMES = {"mnist": "MNIST", "cifar10": "CIFAR-10"}
SIZES = {"mnist": (60_000, 10_000), "cifar10": (50_000, 10_000)}  # train, test


class Images(NamedTuple):
    """A labelled image set.

    x_train, x_test: float32, shape (n, d), or (n, channels, height, width) if not flattened.
    y_train, y_test: int64 labels 0 … 9, shape (n,). name: what the set is, with its size if it is
    only a part. source: where it was read from.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    name: str
    source: str


def digits(*, flatten: bool = True, standardise: bool = True) -> Images:
    """The 1,797 handwritten digits of 8 × 8 pixels that scikit-learn carries; no network.

    A fixed split: 1,437 for training, 360 for testing.

    Args:
        flatten: x of shape (n, 64); if False (n, 1, 8, 8).
        standardise: subtract the mean and divide by the standard deviation, two numbers taken
            over all pixels of all training images; if False, x is in [0, 1].

    Example:
        >>> data = digits()
        >>> data.x_train.shape, data.x_test.shape, round(float((data.x_train**2).mean()), 3)
        ((1437, 64), (360, 64), 1.0)
    """
    from sklearn.datasets import load_digits

    raw = load_digits()
    order = np.random.default_rng(0).permutation(len(raw.target))
    x, y = raw.images[order, None] / 16, raw.target[order]
    arrays = (x[:1437], y[:1437], x[1437:], y[1437:])
    return _finish(arrays, "digits (8 × 8)", "scikit-learn", flatten, standardise)


def mnist(*, flatten: bool = True, standardise: bool = True) -> Images:
    """MNIST: 60,000 + 10,000 handwritten digits of 28 × 28 pixels.

    With ISOLIB_DATA set, from that folder or its subfolder `mnist`: the four original files,
    gzipped or not, or an `mnist*.npz` with arrays x_train, y_train, x_test, y_test. Otherwise
    from the cache, after a download of 11.6 MB the first time. Arguments as in `digits`.

    Raises:
        FileNotFoundError: ISOLIB_DATA is set, and the files are not there.
        ValueError: a file is there and is not what it should be.
        DownloadError: no copy here, and none could be fetched.

    Example:
        >>> import os
        >>> load = mnist if os.environ.get("ISOLIB_DOWNLOAD") == "1" else digits
        >>> load().y_train.dtype
        dtype('int64')
    """
    return _load("mnist", _data_or_cache("mnist"), flatten, standardise)


def cifar10(*, flatten: bool = True, standardise: bool = True) -> Images:
    """CIFAR-10: 50,000 + 10,000 colour photographs of 32 × 32 pixels in 10 classes.

    With ISOLIB_DATA set, from that folder or its subfolder `cifar10`: `cifar-10-binary.tar.gz`,
    or its .bin files (also in `cifar-10-batches-bin`), or a `cifar10*.npz` with arrays x_train,
    y_train, x_test, y_test, which may be a part of the set: `name` then gives its size. Otherwise
    from the cache, after a download of 170 MB the first time. Flattened, the 3,072 numbers are
    the red, the green, the blue plane. Arguments as in `digits`, errors as in `mnist`.

    Example:
        >>> import os
        >>> load = cifar10 if os.environ.get("ISOLIB_DOWNLOAD") == "1" else digits
        >>> load(flatten=False).x_train.ndim
        4
    """
    return _load("cifar10", _data_or_cache("cifar10"), flatten, standardise)


def images(prefer: str = "mnist", *, flatten: bool = True, standardise: bool = True) -> Images:
    """The preferred set if it is on this machine, else `digits`: print `name` to say which.

    The network is used only if the environment variable ISOLIB_DOWNLOAD is 1. A damaged file
    raises; it is not passed over.

    Args:
        prefer: "mnist", "cifar10" or "digits". Other arguments as in `digits`.

    Example:
        >>> images("digits").name
        'digits (8 × 8)'
        >>> images("mnist").x_train.shape[1] in (64, 784)
        True
    """
    one_of("prefer", prefer, ("mnist", "cifar10", "digits"))
    paths = None
    if prefer != "digits":
        paths = _files.find(prefer, _files.data_folder()) or _files.find_cached(prefer)
        if not paths and os.environ.get("ISOLIB_DOWNLOAD") == "1":
            paths = _files.fetch(prefer)
    if not paths:
        return digits(flatten=flatten, standardise=standardise)
    return _load(prefer, paths, flatten, standardise)


def adding_task(count: int, steps: int, *, rng=None, seed=None):
    """The adding problem: remember two marked numbers of a sequence, and give their sum.

    At each step the input is a number, uniform on [0, 1], and a mark, which is 1 at two steps, one
    in either half of the sequence, and 0 elsewhere. Whoever always answers 1 has a mean squared
    error of 1/6, the variance of the sum.

    Args:
        count: how many sequences.
        steps: their length, 2 or more.
        rng: a numpy Generator, or None. seed: an int; give one of the two.

    Returns:
        The pair (x, y), float32 both, shapes (count, steps, 2) and (count,).

    Source: Hochreiter and Schmidhuber 1997, in the form of Arjovsky, Shah and Bengio 2016.

    Example:
        >>> x, y = adding_task(1000, 50, seed=0)
        >>> x.shape, bool(np.allclose((x[..., 0] * x[..., 1]).sum(1), y))
        ((1000, 50, 2), True)
    """
    rng, count = _generator(rng, seed), positive_int("count", count)
    if positive_int("steps", steps) < 2:
        raise ValueError(f"steps must be 2 or more, for two marks, got {steps}")
    numbers, marks = rng.random((count, steps)), np.zeros((count, steps))
    for lo, hi in ((0, steps // 2), (steps // 2, steps)):
        marks[np.arange(count), rng.integers(lo, hi, count)] = 1
    x = np.stack([numbers, marks], axis=-1).astype(np.float32)
    return x, (x[..., 0] * x[..., 1]).sum(1)


def copy_task(count: int, blanks: int, *, rng=None, seed=None):
    """The copy problem: ten symbols, a long wait, then a mark at which to repeat them.

    The input is a sequence of `blanks` + 20 symbols out of ten, as unit vectors: first ten drawn
    uniformly from 0 … 7, then `blanks` − 1 blanks (symbol 8), a mark (symbol 9) and ten blanks.
    The target is 8 at all steps but the last ten, where it is the ten of the beginning. Without
    memory the mean cross-entropy per step is at best 10 ln 8 / (blanks + 20).

    Args:
        count: how many sequences.
        blanks: T, the steps from the last of the ten to the mark, 1 or more.
        rng: a numpy Generator, or None. seed: an int; give one of the two.

    Returns:
        The pair (x, y), shapes (count, blanks + 20, 10), float32, and (count, blanks + 20), int64.

    Source: Hochreiter and Schmidhuber 1997, in the form of Arjovsky, Shah and Bengio 2016.

    Example:
        >>> x, y = copy_task(3, 5, seed=0)
        >>> x.shape, x[0].argmax(-1)[10:]
        ((3, 25, 10), array([8, 8, 8, 8, 9, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8]))
        >>> bool((y[:, -10:] == x.argmax(-1)[:, :10]).all())
        True
    """
    rng, count = _generator(rng, seed), positive_int("count", count)
    symbols = np.full((count, positive_int("blanks", blanks) + 20), 8)
    y = symbols.copy()
    symbols[:, :10] = y[:, -10:] = rng.integers(0, 8, (count, 10))
    symbols[:, -11] = 9
    return np.eye(10, dtype=np.float32)[symbols], y.astype(np.int64)


def _data_or_cache(kind):
    """The files of a data set: in ISOLIB_DATA if that is set, else in the cache, fetched."""
    folder = _files.data_folder()
    if folder is None:
        return _files.fetch(kind)
    paths = _files.find(kind, folder)
    if not paths:
        raise FileNotFoundError(
            f"no {kind} files in the folder {folder} that ISOLIB_DATA names; "
            f"the help of isolib.data.{kind} lists what is looked for"
        )
    return paths


def _load(kind, paths, flatten, standardise):
    """Read a data set, and say what it is and where it came from."""
    arrays = _files.read(kind, paths)
    sizes = len(arrays[0]), len(arrays[2])
    name = NAMES[kind]
    if sizes != SIZES[kind]:
        name += f" (a part: {sizes[0]:,} training and {sizes[1]:,} test images)"
    source = paths[0].name if len(paths) == 1 else f"{paths[0].name} and {len(paths) - 1} more"
    return _finish(arrays, name, source, flatten, standardise)


def _finish(arrays, name, source, flatten, standardise):
    """Scale to [0, 1], standardise, flatten, and set the dtypes."""
    x_train, y_train, x_test, y_test = arrays
    x_train, x_test = (
        np.asarray(x, np.float32) / np.float32(255 if x.dtype == np.uint8 else 1)
        for x in (x_train, x_test)
    )
    if standardise:
        mean, deviation = x_train.mean(dtype=np.float64), x_train.std(dtype=np.float64)
        if deviation == 0:
            raise ValueError(f"the training images of {name} are all one grey: cannot standardise")
        x_train, x_test = (((x - mean) / deviation).astype(np.float32) for x in (x_train, x_test))
    if flatten:
        x_train, x_test = x_train.reshape(len(x_train), -1), x_test.reshape(len(x_test), -1)
    return Images(x_train, y_train.astype(np.int64), x_test, y_test.astype(np.int64), name, source)
