"""The web app: it stores tasks. AFTERWARDS_WORKER=0 leaves their running to the worker processes."""

from fastapi import FastAPI
from tasks import afterwards, send_welcome

from afterwards import BackgroundTasks

app = FastAPI()
afterwards.install(app)


@app.post("/register/{email}", status_code=202)
async def register(email: str, background_tasks: BackgroundTasks) -> dict[str, str]:
    """A 202 means that the mail is stored."""
    return {"task_id": str(background_tasks.add_task(send_welcome, email).id)}


@app.get("/healthz")
async def healthz() -> dict[str, bool]:
    """The process answers. It does not ask the store: without it the app still serves what needs no task."""
    return {"ok": True}
