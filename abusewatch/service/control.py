"""The local socket of the daemon: one JSON object a line in, one out. Who may open the file may ask (0660, our group)."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

LINE_LIMIT = 64 * 1024
IDLE_SECS = 30.0
NAME = "control.sock"

Command = Callable[[], Awaitable[dict[str, Any]]]
Question = Callable[[Mapping[str, str]], Awaitable[dict[str, Any]]]


class ControlError(Exception):
    """The daemon could not be asked."""


class Control:
    """Serves the commands it is given."""

    def __init__(
        self, path: Path, commands: Mapping[str, Command], questions: Mapping[str, Question] | None = None
    ) -> None:
        """Take the path, and by name the commands and the questions, which are given the whole request."""
        self._path = path
        self._questions = dict(questions or {})
        self._commands = dict(commands)
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. A socket left by one that died is replaced; the lock on the state folder says that nobody lives."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        before = os.umask(0o117)
        try:
            self._server = await asyncio.start_unix_server(self._serve, self._path, limit=LINE_LIMIT)
        finally:
            os.umask(before)

    async def stop(self) -> None:
        """Stop listening and remove the socket."""
        if self._server:
            self._server.close()
            await self._server.wait_closed()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(IDLE_SECS):
                line = await reader.readline()
            writer.write(msgspec.json.encode(await self._answer(line)) + b"\n")
            await writer.drain()
        except (TimeoutError, ValueError, ConnectionError):
            pass  # the other side said too much or nothing, or left: its own loss, and nothing was begun
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = msgspec.json.decode(line, type=dict[str, str])
        except msgspec.DecodeError as error:
            return {"error": f"not a JSON object of texts: {error}"}
        name = request.get("command", "")
        if name in self._questions:
            return await self._questions[name](request)
        command = self._commands.get(name)
        if command is None:
            return {"error": f"unknown command; known: {', '.join((*self._commands, *self._questions))}"}
        return await command()


def ask(
    path: Path, command: str, timeout_secs: float = 10.0, *, words: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Ask a running daemon, with further words of the request; ControlError in words when it does not answer."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout_secs)
            sock.connect(str(path))
            sock.sendall(msgspec.json.encode({"command": command} | dict(words or {})) + b"\n")
            with sock.makefile("rb") as answer:
                line = answer.readline()
        found: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
    except OSError as error:
        raise ControlError(f"no daemon answers at {path}: {error.strerror or error}") from None
    except msgspec.DecodeError:
        raise ControlError(f"the daemon at {path} gave no answer") from None
    if "error" in found:
        raise ControlError(str(found["error"]))
    return found


def control_path(store: Path) -> Path:
    """Say where the socket of a daemon with this store lies: the runtime folder systemd made, else the store itself."""
    runtime = os.environ.get("RUNTIME_DIRECTORY", "")
    if runtime:
        return Path(runtime.partition(":")[0]) / NAME
    return store / NAME
