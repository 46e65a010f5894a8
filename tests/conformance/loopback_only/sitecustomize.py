"""Python reads this before everything else: no name but this machine's is resolved.

The official client asks the package index for its newest version through a connection that heeds
no proxy; here that call fails at once, as it does without a network.
"""

from __future__ import annotations

import socket

LOCAL = ("", "localhost", "127.0.0.1", "::1", "0.0.0.0")
_resolve = socket.getaddrinfo


def _resolve_local_names(host, *args, **kwargs):
    name = host.decode() if isinstance(host, bytes) else host
    if name is not None and name not in LOCAL:
        raise socket.gaierror(socket.EAI_NONAME, "no names are resolved in tests")
    return _resolve(host, *args, **kwargs)


socket.getaddrinfo = _resolve_local_names
