"""Readers on fabricated files; downloads with a fabricated network; real files where there are."""

import errno
import gzip
import hashlib
import io
import os
import tarfile
import urllib.error
import urllib.request

import numpy as np
import pytest

from isolib import _files
from isolib.data import (
    DownloadError,
    Images,
    adding_task,
    cifar10,
    copy_task,
    digits,
    images,
    mnist,
)

REAL = os.environ.get("ISOLIB_DATA")
RNG = np.random.default_rng(0)
MNIST_X = RNG.integers(0, 256, (12, 28, 28), dtype=np.uint8)
MNIST_Y = RNG.integers(0, 10, 12).astype(np.uint8)
CIFAR_X = RNG.integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)


def offline(*args, **kwargs):
    raise urllib.error.URLError("no route to host")


@pytest.fixture(autouse=True)
def empty_machine(monkeypatch, tmp_path):
    """No data, no cache, no network."""
    for name in ("ISOLIB_DATA", "ISOLIB_DOWNLOAD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(urllib.request, "urlopen", offline)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    path = tmp_path / "data"
    path.mkdir()
    monkeypatch.setenv("ISOLIB_DATA", str(path))
    return path


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return head + array.tobytes()


def mnist_files():
    """The four files: nine images for training, three for testing."""
    parts = (MNIST_X[:9], MNIST_Y[:9], MNIST_X[9:], MNIST_Y[9:])
    return {n: gzip.compress(idx(a)) for n, a in zip(_files.MNIST_SHA256, parts, strict=True)}


def cifar_files():
    """Six batches of two images; image k has label k mod 10."""
    records = [bytes([k % 10]) + CIFAR_X[k].tobytes() for k in range(12)]
    pairs = (records[2 * k] + records[2 * k + 1] for k in range(6))
    return dict(zip(_files.CIFAR10_BATCHES, pairs, strict=True))


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def archive(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def npz(**arrays):
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def test_digits():
    data = digits()
    assert isinstance(data, Images) and data.name == "digits (8 × 8)"
    assert data.x_train.shape == (1437, 64) and data.x_test.shape == (360, 64)
    assert data.x_train.dtype == np.float32 and data.y_train.dtype == np.int64
    assert abs(data.x_train.mean()) < 1e-5 and abs(data.x_train.std() - 1) < 1e-5
    raw = digits(flatten=False, standardise=False)
    assert raw.x_test.shape == (360, 1, 8, 8) and raw.x_train.min() == 0 and raw.x_train.max() == 1
    assert np.array_equal(raw.y_train, data.y_train)
    assert np.bincount(data.y_test).min() > 20


@pytest.mark.parametrize("place", [".", "mnist"])
@pytest.mark.parametrize("packed", [True, False])
def test_mnist_files(folder, place, packed):
    files = mnist_files()
    if not packed:
        files = {n.removesuffix(".gz"): gzip.decompress(c) for n, c in files.items()}
    write(folder / place, files)
    data = mnist(flatten=False, standardise=False)
    assert np.array_equal(np.rint(data.x_train[:, 0] * 255), MNIST_X[:9])
    assert np.array_equal(data.y_test, MNIST_Y[9:]) and data.x_test.dtype == np.float32
    assert data.name == "MNIST (a part: 9 training and 3 test images)"
    assert "train-images" in data.source
    flat = mnist()
    assert flat.x_train.shape == (9, 784) and abs(flat.x_train.std() - 1) < 1e-5


@pytest.mark.parametrize("place", [".", "cifar10", "cifar-10-batches-bin"])
def test_cifar_batches(folder, place):
    write(folder / place, cifar_files())
    data = cifar10(flatten=False, standardise=False)
    assert np.array_equal(np.rint(data.x_train * 255), CIFAR_X[:10])
    assert data.y_train.tolist() == list(range(10)) and data.y_test.tolist() == [0, 1]
    flat = cifar10(standardise=False).x_test
    assert np.array_equal(np.rint(flat[:, :1024] * 255), CIFAR_X[10:, 0].reshape(2, -1))  # red


def test_cifar_archive(folder):
    write(folder, {"cifar-10-binary.tar.gz": archive(cifar_files())})
    data = cifar10(flatten=False, standardise=False)
    assert np.array_equal(np.rint(data.x_test * 255), CIFAR_X[10:])
    assert sorted(p.name for p in folder.iterdir()) == ["cifar-10-binary.tar.gz"]


@pytest.mark.parametrize("last", [False, True])
def test_cifar_npz_is_named_as_a_part(folder, last):
    x = CIFAR_X.transpose(0, 2, 3, 1) if last else CIFAR_X
    labels = np.arange(12, dtype=np.uint8) % 10
    parts = dict(x_train=x[:8], y_train=labels[:8], x_test=x[8:], y_test=labels[8:])
    write(folder, {"cifar10_subset.npz": npz(**parts)})
    data = images("cifar10", flatten=False, standardise=False)
    assert np.array_equal(np.rint(data.x_train * 255), CIFAR_X[:8])
    assert data.name == "CIFAR-10 (a part: 8 training and 4 test images)"
    assert data.source == "cifar10_subset.npz"


def spoil(**changes):
    return {**mnist_files(), **{k.replace("_", "-") + "-ubyte.gz": v for k, v in changes.items()}}


PIXELS, LABELS = "train_images_idx3", "train_labels_idx1"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (spoil(**{PIXELS: b"not gzip"}), "[Nn]ot a gzipped file"),
        (spoil(**{PIXELS: gzip.compress(b"\1\2\3\4" * 9)}), "does not start like an IDX"),
        (spoil(**{PIXELS: gzip.compress(idx(MNIST_X[:9])[:-1])}), "should hold 7,056 bytes"),
        (spoil(**{PIXELS: gzip.compress(idx(MNIST_X[:9]) + b"x")}), "should hold 7,056 bytes"),
        (spoil(**{PIXELS: gzip.compress(idx(MNIST_X[:9]))[:-20]}), "train-images"),
        (spoil(**{LABELS: gzip.compress(idx(MNIST_Y[:5]))}), r"a label each.*\(5,\)"),
        (spoil(**{LABELS: gzip.compress(idx(MNIST_Y[:9] + 100))}), "labels must be in 0"),
        ({"mnist.npz": b"PK\3\4 broken"}, "mnist.npz"),
        ({"mnist.npz": npz(x_train=MNIST_X)}, "y_train"),
        (
            {"mnist.npz": npz(**dict.fromkeys(_files.ARRAYS, np.array([{}], dtype=object)))},
            "allow_pickle",
        ),
    ],
)
def test_damaged_mnist_files(folder, files, message):
    write(folder, files)
    for load in (mnist, images):
        with pytest.raises(ValueError, match=message) as caught:
            load()
        assert "cannot read mnist" in str(caught.value) and str(folder) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (archive(cifar_files())[:5000], "cannot read cifar10"),
        (archive({"data_batch_1.bin": b"\0" * 3073}), "data_batch_2.bin"),
        (archive({**cifar_files(), "test_batch.bin": b"\0" * 100}), "records of 3,073 bytes"),
    ],
)
def test_damaged_cifar_archive(folder, content, message):
    write(folder, {"cifar-10-binary.tar.gz": content})
    with pytest.raises(ValueError, match=message):
        cifar10()


def test_missing_files(folder, monkeypatch):
    with pytest.raises(FileNotFoundError, match="no mnist files in the folder .*data"):
        mnist()
    assert images("mnist").name.startswith("digits")
    files = mnist_files()
    files.pop("t10k-labels-idx1-ubyte.gz")
    write(folder / "mnist", files)
    with pytest.raises(FileNotFoundError, match="t10k-labels.* is missing from .*mnist"):
        mnist()
    monkeypatch.setenv("ISOLIB_DATA", str(folder / "nowhere"))
    with pytest.raises(FileNotFoundError, match="ISOLIB_DATA must name a folder"):
        mnist()


def test_offline_error_names_the_choices(tmp_path):
    for load in (mnist, cifar10):
        with pytest.raises(DownloadError, match="ISOLIB_DATA.*digits.*when online"):
            load()
    assert issubclass(DownloadError, OSError)
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


class Response(io.BytesIO):
    headers = {}


@pytest.fixture
def network(monkeypatch):
    """A network that serves the fabricated MNIST; returns the list of addresses asked for."""
    files, asked = mnist_files(), []

    def urlopen(url, timeout):
        asked.append(url)
        return Response(files[url.rsplit("/", 1)[1]])

    sums = {n: hashlib.sha256(c).hexdigest() for n, c in files.items()}
    monkeypatch.setitem(_files.SHA256, "mnist", sums)
    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    return asked


def test_download_once_into_the_cache(network, tmp_path, monkeypatch):
    assert images("mnist").name.startswith("digits") and network == []  # not without leave
    first = mnist()
    assert len(network) == 4 and all(u.startswith("https://") for u in network)
    assert np.array_equal(first.y_train, MNIST_Y[:9])
    assert mnist().name == first.name == images("mnist").name and len(network) == 4
    cache = tmp_path / "cache" / "isolib" / "mnist"
    assert sorted(p.name for p in cache.iterdir()) == sorted(_files.MNIST_SHA256)
    (cache / "t10k-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    assert mnist().name == first.name and len(network) == 5  # only that one again
    (cache / "t10k-labels-idx1-ubyte.gz").unlink()
    assert images("mnist").name.startswith("digits")
    monkeypatch.setenv("ISOLIB_DOWNLOAD", "1")
    assert images("mnist").name == first.name


def test_wrong_checksum_keeps_nothing(network, tmp_path, monkeypatch):
    monkeypatch.setitem(_files.SHA256, "mnist", _files.MNIST_SHA256)  # the real sums
    with pytest.raises(DownloadError, match="gave a file with SHA-256"):
        mnist()
    assert len(network) == len(_files.URLS["mnist"])  # every mirror was tried
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_second_mirror(network, monkeypatch):
    serve = urllib.request.urlopen

    def flaky(url, timeout):
        return offline() if url.startswith(_files.URLS["mnist"][0]) else serve(url, timeout)

    monkeypatch.setattr(urllib.request, "urlopen", flaky)
    assert mnist().x_train.shape == (9, 784)


def cut_short(content):
    return Response(content[: len(content) // 2])


class Dropped(Response):
    """A connection that breaks after the first block."""

    def read(self, size=-1):
        if self.tell():
            raise ConnectionResetError("connection reset by peer")
        return super().read(20)


@pytest.mark.parametrize("broken", [cut_short, Dropped])
def test_a_partial_download_is_not_kept(network, tmp_path, monkeypatch, broken):
    files, everywhere = mnist_files(), True
    serve = urllib.request.urlopen

    def urlopen(url, timeout):
        name = url.rsplit("/", 1)[1]
        ill = name.startswith("t10k-labels") and (
            everywhere or url.startswith(_files.URLS["mnist"][0])
        )
        return broken(files[name]) if ill else serve(url, timeout)

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    with pytest.raises(DownloadError, match="t10k-labels.*(SHA-256|connection reset)"):
        mnist()
    cache = tmp_path / "cache" / "isolib" / "mnist"
    assert len(list(cache.iterdir())) == 3  # the whole ones, and no part of the other
    everywhere = False
    assert mnist().x_train.shape == (9, 784)  # from the second address


def test_a_full_disk_keeps_nothing_and_says_so(network, tmp_path, monkeypatch):
    real = os.fdopen

    def fdopen(*args):
        out, written = real(*args), []

        class Full(io.BufferedWriter):
            def write(self, block):
                if written:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                written.append(super().write(block[:10]))
                return self.write(block[10:])

        return Full(out.detach())

    monkeypatch.setattr(os, "fdopen", fdopen)
    with pytest.raises(DownloadError, match="no room for train-images.*cache.*No space left"):
        mnist()
    assert len(network) == 1  # another address would not help
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_adding_task():
    x, y = adding_task(4000, 21, seed=0)
    assert x.shape == (4000, 21, 2) and y.shape == (4000,) and x.dtype == y.dtype == np.float32
    numbers, marks = x[..., 0], x[..., 1]
    assert set(np.unique(marks)) == {0, 1} and 0 <= numbers.min() and numbers.max() <= 1
    assert (marks[:, :10].sum(1) == 1).all() and (marks[:, 10:].sum(1) == 1).all()
    assert marks.sum(0).min() > 0  # every step is marked sometimes
    assert np.array_equal((numbers * marks).sum(1), y)
    assert abs(((y - 1) ** 2).mean() - 1 / 6) < 4 * 0.19 / 4000**0.5  # four standard errors
    again = adding_task(4000, 21, rng=np.random.default_rng(0))
    assert np.array_equal(x, again[0]) and not np.array_equal(x, adding_task(4000, 21, seed=1)[0])


def test_copy_task():
    x, y = copy_task(2000, 30, seed=0)
    assert x.shape == (2000, 50, 10) and x.dtype == np.float32
    assert y.shape == (2000, 50) and y.dtype == np.int64
    assert (x.sum(-1) == 1).all() and set(np.unique(x)) == {0, 1}
    symbols = x.argmax(-1)
    assert np.array_equal(y[:, -10:], symbols[:, :10]) and (y[:, :-10] == 8).all()
    assert (symbols[:, 10:39] == 8).all() and (symbols[:, 40:] == 8).all()
    assert (symbols[:, 39] == 9).all()  # 30 steps after the last of the ten
    share = np.bincount(symbols[:, :10].ravel(), minlength=8) / 20_000
    assert len(share) == 8 and np.abs(share - 1 / 8).max() < 4 * (7 / 64 / 20_000) ** 0.5
    assert np.array_equal(x, copy_task(2000, 30, seed=0)[0])
    assert copy_task(1, 1, seed=0)[0].shape == (1, 21, 10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: adding_task(0, 10), "count.*0"),
        (lambda: adding_task(5, 1), "steps must be 2 or more.*1"),
        (lambda: adding_task(5, 2.5), "steps.*2.5"),
        (lambda: copy_task(5, 0), "blanks.*0"),
        (lambda: copy_task(-1, 3), "count.*-1"),
        (lambda: copy_task(5, 3, rng=0), "rng must be"),
        (lambda: adding_task(5, 3, rng=np.random.default_rng(0), seed=0), "not both"),
    ],
)
def test_tasks_refuse(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_cache_folder(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert _files.cache_folder().name == "isolib"


def test_images_refuses_an_unknown_name():
    with pytest.raises(ValueError, match="prefer must be one of.*mnist"):
        images("mnst")


def test_constant_images_cannot_be_standardised(folder):
    zeros, labels = np.zeros((3, 28, 28), np.uint8), np.zeros(3, np.uint8)
    write(folder, {"mnist.npz": npz(x_train=zeros, y_train=labels, x_test=zeros, y_test=labels)})
    with pytest.raises(ValueError, match="all one grey"):
        mnist()
    assert not mnist(standardise=False).x_train.any()


@pytest.mark.skipif(not REAL, reason="ISOLIB_DATA is not set")
@pytest.mark.parametrize("kind", ["mnist", "cifar10"])
def test_real_files(monkeypatch, kind):
    monkeypatch.setenv("ISOLIB_DATA", REAL)
    data = images(kind)
    if data.name.startswith("digits"):
        pytest.skip(f"ISOLIB_DATA has no {kind}")
    assert data.x_train.shape[1] == {"mnist": 784, "cifar10": 3072}[kind]
    assert set(data.y_train) == set(data.y_test) == set(range(10))
    assert abs(data.x_train.std() - 1) < 1e-3
    if data.name == "MNIST":
        raw = images(kind, standardise=False).x_train
        assert len(raw) == 60_000 and raw.mean() == pytest.approx(0.1307, abs=1e-4)
