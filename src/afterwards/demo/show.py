"""`afterwards demo`: the mail server and the app until Ctrl-C; whoever kills the app sees it come back."""

from __future__ import annotations

from afterwards.demo.app_process import AppDied, AppProcess
from afterwards.demo.mail_server import MailServer
from afterwards.demo.mails import Inbox
from afterwards.demo.place import Place


async def show(place: Place, port: int) -> int:
    """Run until cancelled, or until the app ends by itself; the exit code."""
    async with MailServer(Inbox(place)).listening() as mail_server:
        app = AppProcess(place, port, mail_server.address)
        try:
            await app.start()
            _say_welcome(place, app, mail_server)
            return await _keep_alive(app)
        except AppDied as error:
            print(error)
            return 1
        finally:
            await app.stop()


async def _keep_alive(app: AppProcess) -> int:
    while True:
        killed, code = app.pid, await app.wait()
        if code == 0:
            return 0
        print(f"  process {killed} is gone", end="", flush=True)
        await app.start()
        print(f"; the app is back as process {app.pid}", flush=True)


def _say_welcome(place: Place, app: AppProcess, mail_server: MailServer) -> None:
    print(
        f"\n  Afterwards, the registration demo: {app.address}\n\n"
        f"  app           process {app.pid}; kill it, it comes back\n"
        f"  dashboard     {app.address}/afterwards/\n"
        f"  mail server   {mail_server.address}\n"
        f"  files         {place.directory}\n"
        f'  tasks         afterwards list --url "{place.tasks_url}"\n\n'
        "  Ctrl-C ends the demo.\n",
        flush=True,
    )
