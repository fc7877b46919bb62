"""Becomes a worker process of a system: `python -m systems.working MODULE`."""

from __future__ import annotations

import os
import sys

from systems.contract import system_in

if __name__ == "__main__":
    os.execv(sys.executable, [sys.executable, *system_in(sys.argv[1]).worker])
