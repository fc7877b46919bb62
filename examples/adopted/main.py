"""The app as it is served now."""

from __future__ import annotations

from adopted.shop import app
from afterwards import Afterwards

__all__ = ["afterwards", "app"]

afterwards = Afterwards()
afterwards.adopt(app)
