"""The mails that the mail server has accepted, in a SQLite file, and the switch that makes it refuse."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path

from sqlalchemy import URL, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from afterwards.demo.place import Place


class Base(DeclarativeBase):
    """Apart from the app's tables: the mail server is another program."""


class Mail(Base):
    """One accepted mail. `recipient` is the bare address, `to` the header with the name."""

    __tablename__ = "mails"

    id: Mapped[int] = mapped_column(primary_key=True)
    arrived: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    recipient: Mapped[str] = mapped_column(index=True)
    to: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str]

    @property
    def clock(self) -> str:
        """When it arrived, on this machine's clock."""
        return self.arrived.replace(tzinfo=UTC).astimezone().strftime("%H:%M:%S")


class Inbox:
    """Everybody's mails in one box; safe from any thread and process."""

    def __init__(self, place: Place) -> None:
        self._engine = create_engine(URL.create("sqlite", database=str(place.mails)))
        self._refusal: Path = place.refusal
        place.directory.mkdir(parents=True, exist_ok=True)
        Base.metadata.create_all(self._engine)

    def put(self, content: bytes, recipient: str) -> None:
        """Keep a mail; it is on disk when this returns."""
        message = message_from_bytes(content, policy=policy.default)
        text = message.get_body(("plain",))
        body = "" if text is None else str(text.get_content())
        mail = Mail(recipient=recipient, to=str(message["To"]), subject=str(message["Subject"]), body=body)
        with Session(self._engine) as session:
            session.add(mail)
            session.commit()

    def newest(self, limit: int) -> Sequence[Mail]:
        """The latest first."""
        with Session(self._engine) as session:
            return session.scalars(select(Mail).order_by(Mail.id.desc()).limit(limit)).all()

    def count(self) -> int:
        """How many have arrived."""
        with Session(self._engine) as session:
            return session.scalar(select(func.count(Mail.id))) or 0

    def copies(self, recipients: Sequence[str]) -> dict[str, int]:
        """How many mails each of these got; those without one are not in it."""
        mails = select(Mail.recipient, func.count()).where(Mail.recipient.in_(recipients)).group_by(Mail.recipient)
        with Session(self._engine) as session:
            return dict(session.execute(mails).tuples().all())

    @property
    def refuses(self) -> bool:
        """Whether the mail server turns mail away for now."""
        return self._refusal.exists()

    def refuse(self, *, refuses: bool) -> None:
        """Turn the switch."""
        if refuses:
            self._refusal.touch()
        else:
            self._refusal.unlink(missing_ok=True)
