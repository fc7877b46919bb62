"""The answer to a request whose work goes on afterwards: 202, and where to look."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import NoMatchFound
from starlette.types import Receive, Scope, Send

from afterwards.batch import TaskHandle
from afterwards.errors import NotInstalled
from afterwards.house import House
from afterwards.starlette import apps_of
from afterwards.status.routes import STATUS

RETRY_AFTER = "1"  # seconds


class Accepted(JSONResponse):
    """202 with the task's id, and as Location the place of its status, under whatever prefix that is."""

    def __init__(self, house: House, task: TaskHandle, location: str | None) -> None:
        super().__init__({"task_id": str(task.id)}, 202, {"retry-after": RETRY_AFTER})
        self._house = house
        self._task = task
        self._location = location

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Only now is it known under which path the app is served."""
        self.headers["location"] = self._location or self._found(scope)
        await super().__call__(scope, receive, send)

    def _found(self, scope: Scope) -> str:
        request = Request(scope)
        try:
            return request.url_for(STATUS, task_id=self._task.id).path
        except NoMatchFound:
            return self._found_outside(scope)

    def _found_outside(self, scope: Scope) -> str:
        """From an app that is mounted in the one whose router it is."""
        for app in apps_of(self._house):
            try:
                return str(scope.get("app_root_path", "")) + app.url_path_for(STATUS, task_id=self._task.id)
            except NoMatchFound:
                continue
        raise NotInstalled(NO_STATUS)


NO_STATUS = (
    "accepted() does not know where the status of a task is: write `app.include_router(afterwards.status_router(), "
    'prefix="/tasks")`, or give it location="/..."'
)


def accepted(house: House, task: object, location: str | None) -> Accepted:
    """Raises NotInstalled, in the endpoint, where no place is given and no app of this house has one."""
    if not isinstance(task, TaskHandle):
        raise ValueError(f"accepted takes what add_task returned, not {task!r}")
    if location is None and not any(_has_status(app) for app in apps_of(house)):
        raise NotInstalled(NO_STATUS)
    return Accepted(house, task, location)


def _has_status(app: object) -> bool:
    try:
        getattr(app, "url_path_for")(STATUS, task_id="00000000-0000-0000-0000-000000000000")  # noqa: B009 – of any app
    except NoMatchFound:
        return False
    return True
