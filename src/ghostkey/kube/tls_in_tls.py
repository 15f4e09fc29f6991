"""TLS within TLS: a server with TLS behind a proxy with TLS."""

from __future__ import annotations

import io
import ssl
from typing import Any


class TlsInTls:
    """TLS through a connection that is TLS already, which ssl's own sockets cannot wrap: what http.client asks of a socket."""

    def __init__(self, context: ssl.SSLContext, outer: ssl.SSLSocket, name: str) -> None:
        self._outer, self._in, self._out = outer, ssl.MemoryBIO(), ssl.MemoryBIO()
        self._readers, self._is_closed = 0, False
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=name)
        self._run(self._tls.do_handshake)

    def _run(self, act: Any, *arguments: object) -> Any:
        """Does it, carrying between the inner TLS and the outer until it is done."""
        while True:
            result, is_done = None, True
            try:
                result = act(*arguments)
            except ssl.SSLWantReadError:
                is_done = False
            finally:
                if ready := self._out.read():
                    self._outer.sendall(ready)
            if is_done:
                return result
            if piece := self._outer.recv(1 << 16):
                self._in.write(piece)
            else:
                self._in.write_eof()

    def sendall(self, content: bytes) -> None:
        view = memoryview(content).cast("B")
        while view:
            view = view[self._run(self._tls.write, view) :]

    def recv_into(self, buffer: Any) -> int:
        try:
            return int(self._run(self._tls.read, len(buffer), buffer))
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return 0  # as a socket does where the other side just hangs up; a body knows its length

    def makefile(self, mode: str) -> io.BufferedReader:
        self._readers += 1
        return io.BufferedReader(_Reader(self))

    def settimeout(self, seconds: float | None) -> None:
        self._outer.settimeout(seconds)

    def fileno(self) -> int:
        return self._outer.fileno()

    def shutdown(self, how: int) -> None:
        self._outer.shutdown(how)

    def close(self) -> None:
        """Ends the connection once its readers are closed too: the last answer may still be read."""
        self._is_closed = True
        if self._readers <= 0:
            self._outer.close()

    def reader_closed(self) -> None:
        self._readers -= 1
        if self._is_closed:
            self.close()


class _Reader(io.RawIOBase):
    """Reads from a connection; closing it leaves the connection open for the next answer."""

    def __init__(self, sock: TlsInTls) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._sock.reader_closed()

    def readinto(self, buffer: Any) -> int:
        return self._sock.recv_into(buffer)
