"""System calls that a submission is refused: memory that no process owns, and new namespaces.

What lies in a memfd, a System V segment or a tmpfs mounted in a namespace of one's own is in no
process's resident memory, so `watch` would not see it. Everything else is allowed.
"""

from __future__ import annotations

import errno
import os
import platform
import struct

#: machine → AUDIT_ARCH, clone, and the refused: memfd_create, memfd_secret, shmget, unshare,
#: setns, clone3 (where it is missing, the C library takes clone), mount, fsopen (linux/audit.h
#: and the kernel's syscall tables)
CALLS = {
    "x86_64": (0xC000003E, 56, (319, 447, 29, 272, 308, 435, 165, 430)),
    "aarch64": (0xC00000B7, 220, (279, 447, 194, 97, 268, 435, 40, 430)),
}
NEW_USER = 0x10000000
LOAD, EQUAL, LARGER, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.ENOSYS


def program() -> bytes:
    """The filter for this machine; empty where its numbers are not known here."""
    if platform.machine() not in CALLS:
        return b""
    arch, clone, refused = CALLS[platform.machine()]
    n = len(refused)
    # (operation, jump if true, jump if false, operand); the last line refuses
    lines = [(LOAD, 0, 0, 4), (EQUAL, 0, n + 5, arch), (LOAD, 0, 0, 0)]
    lines += [(LARGER, n + 4, 0, 0x40000000)]  # the x32 table
    lines += [(EQUAL, n + 3 - i, 0, number) for i, number in enumerate(refused)]
    lines += [(EQUAL, 0, 2, clone), (LOAD, 0, 0, 16), (ANY_BIT, 1, 0, NEW_USER)]
    lines += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE)]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def opened() -> int | None:
    """A file descriptor from which bubblewrap reads the filter; None where there is none."""
    if not (filter_ := program()):
        return None
    ours, theirs = os.pipe()
    os.write(theirs, filter_)
    os.close(theirs)
    return ours
