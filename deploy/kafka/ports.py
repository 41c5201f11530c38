"""Ports on loopback that are free."""

import secrets
import socket

from runtime.errors import ConfigurationError

LOOPBACK = "127.0.0.1"
# Below the range from which systems take the near end of outgoing connections (from 32768 on Linux,
# 49152 elsewhere): clients that knock at a killed broker would sooner or later hold its port.
_FIRST, _LAST = 15_000, 32_000
_ATTEMPTS = 500


def free_ports(count: int) -> list[int]:
    """Return so many ports, all different, that were free a moment ago.

    Raises:
        ConfigurationError: hardly any port is free.
    """
    held: list[socket.socket] = []
    try:
        for _ in range(_ATTEMPTS):
            if len(held) == count:
                return [holder.getsockname()[1] for holder in held]
            holder = _hold(_FIRST + secrets.randbelow(_LAST - _FIRST))
            held += [holder] if holder is not None else []
    finally:
        for holder in held:
            holder.close()
    raise ConfigurationError(f"no {count} free ports between {_FIRST} and {_LAST}")


def is_free(port: int) -> bool:
    """Tell whether a broker could listen on a port."""
    holder = _hold(port)
    if holder is not None:
        holder.close()
    return holder is not None


def _hold(port: int) -> socket.socket | None:
    holder = socket.socket()
    try:
        # As Java binds: the rest of closed connections does not make a port taken.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((LOOPBACK, port))
    except OSError:
        holder.close()
        return None
    return holder
