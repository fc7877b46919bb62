"""What people write for a size in memory. Pure."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT])I?B?", re.IGNORECASE)
_POWERS = {"K": 1, "M": 2, "G": 3, "T": 4}


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
