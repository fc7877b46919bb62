"""What people write on a command line for an address. Pure."""

from __future__ import annotations

import re

_LARGEST_PORT = 65_535


def address(text: str) -> tuple[str, int]:
    """Host and port. An IPv6 address stands in brackets. Port 0 is a free one. Raises ValueError.

    Example:
        `address("[::1]:9000") == ("::1", 9000)`
    """
    host, _, port = text.strip().rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > _LARGEST_PORT:
        raise ValueError(f"{text!r} is no address: host:port is meant, such as 127.0.0.1:9000")
    if not host:
        raise ValueError(f"{text!r} says no host: 127.0.0.1:{port} for this machine only, 0.0.0.0:{port} for all")
    if ":" in host and not is_bracketed:
        raise ValueError(f"{text!r} is no address: an IPv6 host stands in brackets, such as [::1]:{port}")
    return (host[1:-1] if is_bracketed else host), int(port)
