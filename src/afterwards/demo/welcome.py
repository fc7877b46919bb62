"""The background task of the demo: an ordinary function that sends one mail, and the `Afterwards` that runs it."""

from __future__ import annotations

import smtplib
from email.headerregistry import Address
from email.message import EmailMessage

from sqlalchemy.orm import Session

from afterwards import Afterwards, Retry
from afterwards.demo.people import User, engine
from afterwards.demo.place import mail_server_address, this_place

afterwards = Afterwards(url=this_place().tasks_url)


@afterwards.task(retry=Retry(attempts=50, first=0.5, longest=5.0))
def send_welcome(user_id: int) -> None:
    """Send the welcome mail. It knows nothing of tries and kills: if it raises, it is called again later."""
    with Session(engine) as session:
        mail = welcome_mail(session.get_one(User, user_id))
    host, port = mail_server_address()
    with smtplib.SMTP(host, port, local_hostname="localhost", timeout=10) as server:
        server.send_message(mail)


def welcome_mail(user: User) -> EmailMessage:
    """The mail as it leaves."""
    mail = EmailMessage()
    mail["From"] = Address("Afterwards", "hello", "example.com")
    mail["To"] = Address(user.name, addr_spec=user.email)
    mail["Subject"] = f"Welcome, {user.name}"
    mail.set_content(
        f"Dear {user.name},\n\n"
        "you are registered. The page answered you before this mail was sent: "
        "by then the task that sends it was safe on disk.\n\n"
        "Yours, afterwards\n"
    )
    return mail
