"""How data files are found, fetched and read.

No file is unpickled, no archive is unpacked to disk, and a download is kept only if its SHA-256
is the published one.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import http.client
import lzma
import os
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
import zlib
from pathlib import Path

import numpy as np

MNIST_SHA256 = {  # in the order x_train, y_train, x_test, y_test
    "train-images-idx3-ubyte.gz":
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz":
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz":
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz":
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}  # fmt: skip
CIFAR10_SHA256 = {
    "cifar-10-binary.tar.gz":
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
}  # fmt: skip
SHA256 = {"mnist": MNIST_SHA256, "cifar10": CIFAR10_SHA256}
URLS = {  # tried in this order
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "cifar10": ("https://www.cs.toronto.edu/~kriz/",),
}
SHAPES = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
CIFAR10_BATCHES = [f"data_batch_{k}.bin" for k in range(1, 6)] + ["test_batch.bin"]
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no room on the disk, or not for us
ARRAYS = ("x_train", "y_train", "x_test", "y_test")
BROKEN = (zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile)


class DownloadError(OSError):
    """A data set is not on this machine and could not be fetched."""


def data_folder() -> Path | None:
    """The folder that ISOLIB_DATA names, if set."""
    value = os.environ.get("ISOLIB_DATA")
    if not value:
        return None
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"ISOLIB_DATA must name a folder, got {value!r}")
    return folder


def cache_folder() -> Path:
    """Where downloads are kept."""
    if os.environ.get("XDG_CACHE_HOME"):
        base = Path(os.environ["XDG_CACHE_HOME"])
    elif sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        base = Path(os.environ["LOCALAPPDATA"])
    else:
        base = Path.home() / ".cache"
    return base / "isolib"


def find(kind: str, folder: Path | None) -> list[Path] | None:
    """The files of a data set under a folder: a list of paths, or None."""
    if folder is None:
        return None
    places = [folder, folder / kind]
    if kind == "cifar10":
        wanted = [["cifar-10-binary.tar.gz"], CIFAR10_BATCHES]
        places += [p / "cifar-10-batches-bin" for p in places]
    else:
        wanted = [list(MNIST_SHA256), [n.removesuffix(".gz") for n in MNIST_SHA256]]
    for names in wanted:
        for place in places:
            there = [(place / n).is_file() for n in names]
            if all(there):
                return [place / n for n in names]
            if any(there):
                missing = names[there.index(False)]
                raise FileNotFoundError(f"{missing} is missing from the folder {place}")
    for place in places:
        for path in sorted(place.glob(f"{kind}*.npz")):
            return [path]
    return None


def find_cached(kind: str) -> list[Path] | None:
    """The downloaded files, if all are there."""
    paths = [cache_folder() / kind / name for name in SHA256[kind]]
    return paths if all(p.is_file() for p in paths) else None


def read(kind: str, paths: list[Path]) -> list[np.ndarray]:
    """x_train, y_train, x_test, y_test from files, x of shape (n, channels, height, width)."""
    shape = SHAPES[kind]
    try:
        if paths[0].suffix == ".npz":
            arrays = _read_npz(paths[0], shape)
        elif kind == "mnist":
            arrays = [_read_idx(p) for p in paths]
        else:
            arrays = _read_cifar(paths)
        for part in (arrays[:2], arrays[2:]):
            _check_arrays(*part, shape)
    except (ValueError, KeyError, EOFError, OSError, *BROKEN) as error:
        names = ", ".join(p.name for p in paths)
        raise ValueError(
            f"cannot read {kind} from {names} in {paths[0].parent}: {error}. "
            "The file is damaged or not what its name says: replace it."
        ) from error
    return [a.reshape(-1, *shape) if k % 2 == 0 else a for k, a in enumerate(arrays)]


def _check_arrays(x, y, shape):
    if len(x) == 0 or len(x) != len(y) or x[0].size != np.prod(shape) or y.ndim != 1:
        raise ValueError(f"expected images {shape} with a label each, got {x.shape} and {y.shape}")
    if not np.isin(y, range(10)).all():
        raise ValueError(f"labels must be in 0 … 9, got {y[~np.isin(y, range(10))][0]}")
    if x.dtype != np.uint8 and not (x.min() >= 0 and x.max() <= 1):
        raise ValueError("pixels must be bytes, or numbers in [0, 1]")


def _read_idx(path):
    """An IDX file: magic number, big-endian sizes, bytes (LeCun's format)."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as f:
        head = f.read(4)
        if head[:3] != b"\0\0\x08" or head[3:] not in (b"\1", b"\3"):
            raise ValueError(f"{path.name} does not start like an IDX file of bytes")
        sizes = np.frombuffer(f.read(4 * head[3]), ">u4").astype(int)
        body = f.read(int(sizes.prod()) + 1)  # one more byte than there should be
    if len(body) != sizes.prod():
        raise ValueError(f"{path.name} should hold {sizes.prod():,} bytes of data and does not")
    return np.frombuffer(body, np.uint8).reshape(sizes)


def _read_cifar(paths):
    """The binary version: a label byte, then 3 × 1024 bytes of colour planes, per image."""
    if len(paths) > 1:
        blobs = [p.read_bytes() for p in paths]
    else:
        with tarfile.open(paths[0], "r:gz") as tar:
            files = {Path(m.name).name: m for m in tar if m.isfile() and m.size <= 30_730_000}
            blobs = [tar.extractfile(files[name]).read() for name in CIFAR10_BATCHES]
    if any(len(b) % 3073 for b in blobs):
        raise ValueError("a batch is not a whole number of records of 3,073 bytes")
    *train, test = [np.frombuffer(b, np.uint8).reshape(-1, 3073) for b in blobs]
    train = np.concatenate(train)
    return [train[:, 1:], train[:, 0], test[:, 1:], test[:, 0]]


def _read_npz(path, shape):
    with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as f:
        arrays = [f[k] for k in ARRAYS]
    if arrays[0].shape[1:] == (*shape[1:], 3):  # channels last
        arrays[::2] = [x.transpose(0, 3, 1, 2) for x in arrays[::2]]
    return arrays


def fetch(kind: str) -> list[Path]:
    """The files of a data set in the cache, downloaded where they are not there intact."""
    folder = cache_folder() / kind
    return [_fetch(kind, name, folder / name, sha) for name, sha in SHA256[kind].items()]


def _fetch(kind, name, path, sha256):
    """One file: whole and checked, or not at all."""
    if path.is_file():
        with open(path, "rb") as f:
            if hashlib.file_digest(f, "sha256").hexdigest() == sha256:
                return path
    path.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for base in URLS[kind]:
        fd, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(fd, "wb") as out:
                found = _download(base + name, out)
            if found == sha256:
                os.replace(part, path)
                return path
            failures.append(f"{base + name} gave a file with SHA-256 {found}, not {sha256}")
        except (OSError, http.client.HTTPException) as error:  # a URLError is an OSError
            if getattr(error, "errno", None) in FULL:  # another address would not help
                raise DownloadError(
                    f"no room for {name} in the folder {path.parent}: {error}. Free some space, "
                    "or name another folder in the environment variable XDG_CACHE_HOME."
                ) from error
            failures.append(f"{base + name}: {error}")
        finally:
            Path(part).unlink(missing_ok=True)
    raise DownloadError(
        f"could not download {kind} ({'; '.join(failures)}). Either set the environment variable "
        "ISOLIB_DATA to a folder that holds the data, or use isolib.data.digits(), which needs "
        "no network, or try again when online."
    )


def _download(url, out):
    """Copy a URL into an open file; return the SHA-256 of what came."""
    from tqdm import tqdm

    digest = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=30) as response:
        size = int(response.headers.get("Content-Length") or 0) or None
        with tqdm(desc=url.rsplit("/", 1)[1], total=size, unit="B", unit_scale=True) as bar:
            while block := response.read(1 << 18):
                digest.update(block)
                bar.update(out.write(block))
    return digest.hexdigest()
