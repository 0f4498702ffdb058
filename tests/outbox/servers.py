"""Fake SMTP servers that record what the wire saw and fail where they are told to."""

import asyncio
from contextlib import asynccontextmanager, suppress


class Server:
    """A server by script: `replies` maps a verb (or "." for the end of the text, "" for the greeting) to what happens there.

    A reply is bytes to send; "drop" closes, "reset" aborts, "hang" says nothing more. A list is used up one entry a time, its last entry stays.
    """

    def __init__(self, **replies):
        self.replies = {"greeting": b"220 fake\r\n", "EHLO": b"250 fake\r\n", "MAIL": b"250 ok\r\n", "RCPT": b"250 ok\r\n", "DATA": b"354 go\r\n",
                        "end": b"250 2.0.0 taken\r\n", "RSET": b"250 ok\r\n", "QUIT": b"221 bye\r\n", "STARTTLS": b"502 no\r\n"} | replies  # fmt: skip
        self.taken, self.lines, self.connections, self.tasks = [], [], 0, set()

    async def handle(self, reader, writer):
        self.connections += 1
        self.tasks.add(asyncio.current_task())
        try:
            await self.talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            await gone(writer)

    async def talk(self, reader, writer):
        if not await self.act("greeting", reader, writer):
            return
        envelope = []
        while line := await reader.readline():
            self.lines.append(line.decode().strip())
            verb = line.split()[0].decode().upper()
            envelope = [] if verb in {"MAIL", "RSET"} else envelope
            if verb == "RCPT":
                envelope.append(line.decode().strip())
            if not await self.act(verb, reader, writer):
                return
            if verb == "DATA" and self.went_on:
                if self.replies.get("during") == "drop":
                    await reader.read(10)
                    return
                text = (await reader.readuntil(b"\r\n.\r\n"))[:-3]
                self.went_on = False
                accepted = await self.act("end", reader, writer)
                if self.went_on:
                    self.taken.append((tuple(envelope), text))
                if not accepted:
                    return

    async def act(self, where, reader, writer) -> bool:
        reply = self.replies[where]
        if isinstance(reply, list):
            reply = reply.pop(0) if len(reply) > 1 else reply[0]
        self.went_on = False
        if reply == "drop":
            return False
        if reply == "reset":
            writer.transport.abort()
            return False
        if reply == "hang":
            await reader.read()  # until the client gives up
            return False
        if callable(reply):
            reply = reply(self.lines[-1] if self.lines else "")
        self.went_on = reply[:1] in b"23"
        writer.write(reply)
        await writer.drain()
        return not reply.startswith(b"421")


@asynccontextmanager
async def serving(server):
    listening = await asyncio.start_server(server.handle, "127.0.0.1", 0, limit=2**22)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await listening.wait_closed()
        for task in server.tasks:
            task.cancel()
        await asyncio.gather(*server.tasks, return_exceptions=True)


async def gone(writer):
    """Close a connection without a trace for the warnings to find."""
    writer.transport.abort() if not writer.is_closing() and writer.transport.get_write_buffer_size() else writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
