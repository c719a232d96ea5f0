"""What crosses between the grader and a submission: one JSON tree and raw array bytes a message.

Nothing is unpickled on either side. A decoder trusts nothing: sizes, depths, types and shapes are
checked before anything is made from them, and every fault is a `ProtocolError`.
"""

from __future__ import annotations

import json
import math
import struct
import sys

import numpy as np

HEADER = struct.Struct(">4sII")
MAGIC = b"iso1"
MAX_JSON, MAX_BLOB = 8 << 20, 64 << 20
MAX_DEPTH, MAX_NODES = 24, 200_000
KINDS = "biufc"


def clean(text: str, most: int = 600) -> str:
    """Text from a submission, safe to store and to show: no control characters, not too long.

    >>> clean("a\\x00b\\ud800 c\\n")
    'a b  c\\n'
    """
    kept = "".join(c if c in "\n\t" or c.isprintable() else " " for c in text[: 2 * most])
    return kept if len(kept) <= most else kept[: most - 1] + "…"


class ProtocolError(Exception):
    """A message that does not follow the protocol, or a value that it cannot carry."""


class Encoder:
    """Turns one value into a JSON tree; the arrays' bytes collect in `blobs`."""

    def __init__(self, callables: bool = False):
        self.callables, self.blobs, self.size, self.nodes = callables, [], 0, 0

    def array(self, tag: str, array: np.ndarray) -> dict:
        if array.dtype.kind not in KINDS:
            raise ProtocolError(f"an array of dtype {array.dtype} cannot be sent: use numbers")
        array = np.asarray(array, order="C")
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        if self.size + array.nbytes > MAX_BLOB:
            raise ProtocolError(f"too large: more than {MAX_BLOB >> 20} MB of arrays")
        start, self.size = self.size, self.size + array.nbytes
        self.blobs.append(array.tobytes())
        return {tag: [array.dtype.str, list(array.shape), start]}

    def tree(self, value, depth: int = 0, path: tuple = ()):
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            raise ProtocolError("too large: nested too deeply, or too many parts")
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, np.generic):
            return self.array("s", np.asarray(value))
        if isinstance(value, int):
            if value.bit_length() > 4096:
                raise ProtocolError("too large: a whole number of more than 4096 bits")
            return value if value.bit_length() < 60 else {"i": hex(value)}
        if isinstance(value, float):
            return value if math.isfinite(value) else {"f": float.__repr__(value)}
        if isinstance(value, complex):
            return {"c": [float.hex(value.real), float.hex(value.imag)]}
        if isinstance(value, (list, tuple)):
            tag = "l" if isinstance(value, list) else "t"
            return {
                tag: [self.tree(v, depth + 1, (*path, i)) for i, v in enumerate(value)],
            }
        if isinstance(value, dict):
            pairs = []
            for name, part in value.items():
                if not isinstance(name, (str, int, float)):
                    raise ProtocolError(f"a dict with a key of type {type(name).__name__}")
                pairs.append(
                    [self.tree(name, depth + 1), self.tree(part, depth + 1, (*path, name))]
                )
            return {"d": pairs}
        if isinstance(value, np.ndarray):
            return self.array("a", np.asarray(value))
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.Tensor):
            tensor = value.detach().cpu()
            if tensor.dtype in (torch.bfloat16, torch.float16):
                tensor = tensor.to(torch.float32)
            return self.array("T", tensor.resolve_conj().resolve_neg().numpy())
        if value is ...:
            return {"E": 1}
        if self.callables and callable(value):
            return {"F": list(path)}
        raise ProtocolError(
            f"a value of type {type(value).__name__} cannot be sent: use numbers, strings, "
            "lists, dicts, arrays or tensors"
        )


class Decoder:
    """Turns a JSON tree back into values. `function(path)` stands for a callable."""

    def __init__(self, blob: bytes, function=None):
        self.blob, self.function, self.nodes = blob, function, 0

    def array(self, spec) -> np.ndarray:
        dtype, shape, start = spec
        dtype = np.dtype(str(dtype))
        if dtype.kind not in KINDS or dtype.hasobject or len(shape) > 32:
            raise ProtocolError("an array that is not of numbers")
        if not all(type(n) is int and 0 <= n <= MAX_BLOB for n in (start, *shape)):
            raise ProtocolError("an array of impossible shape")
        stop = start + math.prod(shape) * dtype.itemsize
        if stop > len(self.blob):
            raise ProtocolError("an array without its data")
        return np.frombuffer(self.blob[start:stop], dtype=dtype).reshape(shape).copy()

    def tree(self, node, depth: int = 0):
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            raise ProtocolError("nested too deeply, or too many parts")
        if node is None or isinstance(node, (bool, int, float, str)):
            return node
        if not isinstance(node, dict) or len(node) != 1:
            raise ProtocolError("a part that is no value")
        ((tag, body),) = node.items()
        if tag in ("l", "t"):
            parts = [self.tree(part, depth + 1) for part in body]
            return parts if tag == "l" else tuple(parts)
        if tag == "d":
            return {self.tree(k, depth + 1): self.tree(v, depth + 1) for k, v in body}
        if tag == "i":
            return int(body[:1100], 16)
        if tag == "f":
            return float(body[:8])
        if tag == "c":
            return complex(float.fromhex(body[0]), float.fromhex(body[1]))
        if tag == "a":
            return self.array(body)
        if tag == "s":
            return self.array(body).reshape(-1)[0]
        if tag == "T":
            import torch

            return torch.from_numpy(self.array(body))
        if tag == "E":
            return ...
        if tag == "F" and self.function is not None and type(body) is list:
            return self.function([p for p in body if isinstance(p, (str, int, float))])
        raise ProtocolError(f"a part of unknown kind {str(tag)[:20]!r}")


def pack(message: dict, value=None, callables: bool = False) -> bytes:
    """One message: plain JSON fields, and `value` in the field "value"."""
    encoder = Encoder(callables)
    body = json.dumps({**message, "value": encoder.tree(value)}, allow_nan=False).encode()
    if len(body) > MAX_JSON:
        raise ProtocolError(f"too large: more than {MAX_JSON >> 20} MB of lists and text")
    blob = b"".join(encoder.blobs)
    return HEADER.pack(MAGIC, len(body), len(blob)) + body + blob


def unpack(body: bytes, blob: bytes, function=None) -> dict:
    """The message of the two parts of a frame; `ProtocolError` for anything else."""
    try:
        message = json.loads(body)
        if not isinstance(message, dict):
            raise ProtocolError("a message that is no object")
        message["value"] = Decoder(blob, function).tree(message.get("value"))
        return message
    except ProtocolError:
        raise
    except Exception as error:  # whatever a forged message makes of json, numpy or torch
        raise ProtocolError(f"a message that cannot be read ({type(error).__name__})") from None


def receive(read) -> tuple[bytes, bytes]:
    """The two parts of the next frame; `read(n)` must return n bytes, or raise."""
    magic, json_size, blob_size = HEADER.unpack(read(HEADER.size))
    if magic != MAGIC:
        raise ProtocolError("bytes that are no message")
    if json_size > MAX_JSON or blob_size > MAX_BLOB:
        raise ProtocolError("a message larger than the limit")
    return read(json_size), read(blob_size)
