"""An app that was written for FastAPI's own background tasks, made durable with no import changed.

`shop.py` is that app; it does not know of Afterwards. `main.py` adopts it, in one line.

Serve it:  uvicorn adopted.main:app --app-dir examples
Use it:    curl -X POST http://127.0.0.1:8000/orders/7
See it:    cat orders.txt
In one go: (cd examples && python -m adopted)
"""
