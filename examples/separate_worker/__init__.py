"""Tasks that run in a process of their own: the app only stores them, `afterwards worker` runs them.

`tasks.py` holds the `Afterwards` and the tasks, and knows nothing of the web app. `app.py` installs that `Afterwards`.
Both processes work on the same file, so start them in the same folder, or set AFTERWARDS_URL for both.

Serve it:  cd examples && uvicorn separate_worker.app:app
Run tasks: cd examples && afterwards worker separate_worker.tasks:afterwards
Use it:    curl -X POST http://127.0.0.1:8000/reports/2026
See it:    cat examples/reports.txt
In one go: (cd examples && python -m separate_worker)
"""
