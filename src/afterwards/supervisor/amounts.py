"""What people write on a command line for a size and for an address. Pure."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT])I?B?", re.IGNORECASE)
_POWERS = {"K": 1, "M": 2, "G": 3, "T": 4}
_LARGEST_PORT = 65_535


def size(text: str) -> int:
    """Bytes. `512MB`, `512M`, `512Mi` and `512MiB` are the same, 512 x 1024 x 1024. Raises ValueError.

    Example:
        `size("1.5GB") == 1_610_612_736`
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no size: a number with its unit is meant, such as 512MB or 2GB")
    amount = int(float(found[1]) * 1024 ** _POWERS[found[2].upper()])
    if amount == 0:
        raise ValueError(f"{text!r} is no size: nothing fits into it")
    return amount


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
