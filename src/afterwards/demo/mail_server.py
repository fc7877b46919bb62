"""A real SMTP server on this machine, which keeps what it is sent and delivers nothing. It can be told to refuse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as SMTPSession

from afterwards.demo.mails import Inbox


class MailServer:
    """Listens on 127.0.0.1; `address` says where. Accepted mails go into the inbox before the sender is told so."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox
        self.address = ""
        self.refused = 0
        self._news = asyncio.Condition()

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator[MailServer]:
        """It listens inside the block, on a free port."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._connection, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        try:
            yield self
        finally:
            server.close()

    async def delivered(self, recipients: Sequence[str]) -> None:
        """Returns when each of them has a mail."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.inbox.copies(recipients)) == len(recipients))

    async def handle_DATA(self, server: SMTP, session: SMTPSession, envelope: Envelope) -> str:  # noqa: N802 – the name is aiosmtpd's
        """One mail; called by aiosmtpd."""
        if self.inbox.refuses:
            self.refused += 1
            return "451 4.3.2 Refusing for now, try again later"
        content = envelope.content
        for recipient in envelope.rcpt_tos:
            self.inbox.put(content if isinstance(content, bytes) else str(content).encode(), recipient)
        async with self._news:
            self._news.notify_all()
        return "250 2.0.0 Accepted"

    def _connection(self) -> SMTP:
        loop = asyncio.get_running_loop()
        return SMTP(self, hostname="localhost", ident="afterwards demo", enable_SMTPUTF8=True, loop=loop)
