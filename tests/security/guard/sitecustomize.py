"""Loaded by every Python process whose path begins here: notes where it turns, and lets it go no further.

``PYNOMALY_GUARD`` names the folder for the notes, one file a process. An address beyond this machine is noted
and refused before a packet leaves.
"""

import os
import socket
import sys

_LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0", "::ffff:127.")
_SENDING = ("socket.connect", "socket.sendto", "socket.sendmsg")
_NAMING = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
_NOTES = os.environ.get("PYNOMALY_GUARD", "")


def _place(event: str, arguments: tuple) -> str:
    """Host that a call names; empty for files and for this machine itself."""
    if event in _SENDING:
        made, address = arguments
        outside = made.family in (socket.AF_INET, socket.AF_INET6)
        return str(address[0]) if outside and address else ""
    host = arguments[0]
    return host.decode() if isinstance(host, bytes) else str(host or "")


def _guard(event: str, arguments: tuple) -> None:
    host = _place(event, arguments) if event in _SENDING or event in _NAMING else ""
    if not host:
        return
    home = host.startswith(_LOOPBACK) or host == socket.gethostname()
    with open(os.path.join(_NOTES, f"{os.getpid()}.txt"), "a") as notes:
        notes.write(f"{'near' if home else 'FAR'} {event} {host} {' '.join(sys.argv[:4])}\n")
    if not home:
        raise PermissionError(f"{event} {host}: beyond this machine")


if _NOTES:
    sys.addaudithook(_guard)
