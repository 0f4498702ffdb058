"""Messages over a pair of sockets, each with its length before it, and open files that come with them (SCM_RIGHTS, unix(7))."""

import os
import socket
import struct
from collections import deque

LENGTH = struct.Struct("<I")
PART = 1 << 18


class Post:
    """One end. What is said waits here until the socket takes it (`push`), what is heard until it is whole (`pull`); only a blocking socket blocks."""

    def __init__(self, end: socket.socket) -> None:
        """Take the socket."""
        self.socket = end
        self._out: deque[tuple[memoryview, int | None]] = deque()
        self._in = bytearray()
        self._files: deque[int] = deque()

    @property
    def full(self) -> bool:
        """Whether something waits to be taken by the socket."""
        return bool(self._out)

    def say(self, message: bytes, file: int | None = None) -> None:
        """Put a message in line, with a file that is closed here once it is on its way."""
        self._out.append((memoryview(LENGTH.pack(len(message)) + message), file))

    def push(self) -> None:
        """Give the socket what it takes. OSError when the other end is gone."""
        while self._out:
            rest, file = self._out.popleft()
            try:
                sent = socket.send_fds(self.socket, [rest], [file] if file is not None else [])
            except BlockingIOError:
                self._out.appendleft((rest, file))
                return
            except OSError:
                self._out.appendleft((rest, file))
                raise
            if file is not None:
                os.close(file)
            if sent < len(rest):
                self._out.appendleft((rest[sent:], None))

    def pull(self) -> bool:
        """Take what the socket has; False when the other end is gone."""
        try:
            part, files, _, _ = socket.recv_fds(self.socket, PART, 16)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._files.extend(files)
        self._in += part
        return bool(part)

    def heard(self) -> bytes | None:
        """Give the next whole message, None when there is none yet."""
        if len(self._in) < LENGTH.size:
            return None
        end = LENGTH.size + int(LENGTH.unpack_from(self._in)[0])
        if len(self._in) < end:
            return None
        message = bytes(self._in[LENGTH.size : end])
        del self._in[:end]
        return message

    def file(self) -> int | None:
        """Give the file that came with the messages heard, in their order."""
        return self._files.popleft() if self._files else None

    def close(self) -> None:
        """Close the socket and every file that waits."""
        for file in (*self._files, *(file for _, file in self._out)):
            if file is not None:
                os.close(file)
        self._files.clear()
        self._out.clear()
        self.socket.close()
