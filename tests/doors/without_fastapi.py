"""A task that takes Starlette's own BackgroundTasks, in a module that imports no FastAPI."""

from starlette.background import BackgroundTasks


def adds(tasks: BackgroundTasks = None) -> None: ...  # type: ignore[assignment]  # as FastAPI takes it
