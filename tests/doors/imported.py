"""The one import that changes. In tests of an adopted app FastAPI's own `BackgroundTasks` stands here in its place."""

from afterwards import BackgroundTasks as BackgroundTasks
