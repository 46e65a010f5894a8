"""Renaming a file without replacing another one: by one system call where there is one."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["rename_if_absent"]

NO_REPLACE = 1
# Of kernels, file systems and containers that do not have the call.
_NOT_THERE = {errno.ENOSYS, errno.EINVAL, errno.EPERM, errno.ENOTSUP}


def _found() -> Callable[[int, bytes, int, bytes, int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):  # an older C library
        return None
    call.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    return call


_renameat2 = _found()


def rename_if_absent(folder_fd: int, old: str, new: str) -> bool:
    """Renames within an open folder; `False` where the system cannot do it in one step.

    Asking first and renaming then would take two calls for each of 100,000 files, and leave a
    moment in which another program's file could be lost.

    Raises:
        FileExistsError: Something has the new name.
        OSError: It failed in another way.
    """
    if _renameat2 is None:
        return False
    if _renameat2(folder_fd, os.fsencode(old), folder_fd, os.fsencode(new), NO_REPLACE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NOT_THERE:
        return False
    raise OSError(code, os.strerror(code), new)
