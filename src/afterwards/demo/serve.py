"""What runs in the app's process: uvicorn with the demo's app. It ends when the process that started it does."""

from __future__ import annotations

import logging
import os
import sys
import threading

import uvicorn

from afterwards.demo.place import this_place


def main(port: int) -> None:
    """Serve on 127.0.0.1 until told to stop."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    log = this_place().log
    logging.basicConfig(
        filename=log, encoding="utf-8", level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    uvicorn.run(
        "afterwards.demo.app:app",
        host="127.0.0.1",
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=3,
    )


def _end_with_parent() -> None:
    """Our standard input is a pipe whose other end closes when the parent dies, however it dies."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
