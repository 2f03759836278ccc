"""gunicorn's gevent worker, for which a slow client is one waiting greenlet, and keeps nobody else waiting.

A request is read whole before Django sees it: within READ_SECONDS, with a body of MOST_BYTES at most.
"""

import io
import time
from types import FrameType
from typing import Any

import gevent
from gevent.server import StreamServer
from gunicorn import util
from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import Unreader
from gunicorn.workers import ggevent

from tracks.ops.bodies import MOST_BYTES

# For request line, headers and body together, on a new connection from its beginning.
READ_SECONDS = 10
# For each part of an answer that the client does not take.
SEND_SECONDS = 30

# Connections on which nothing of a (further) request has come; the longest-waiting first.
_waiting: dict[gevent.Greenlet, None] = {}


class WholeRequest(Request):
    """A request with its body. Raises NoMoreData, at which gunicorn hangs up, if it does not come in time."""

    body: Any
    _expected_100_continue: bool
    # The body stays unread, and Django answers with 413.
    is_too_large = False

    def __init__(self, cfg: Config, unreader: Unreader, peer_addr: Any, req_number: int = 1) -> None:
        is_first = req_number == 1
        if not is_first:
            # Who asks again at once takes turns with the others.
            gevent.sleep(0)
        started = time.monotonic()
        with gevent.Timeout(READ_SECONDS if is_first else cfg.keepalive, NoMoreData):
            _waiting[gevent.getcurrent()] = None
            try:
                unreader.unread(unreader.read())
            finally:
                del _waiting[gevent.getcurrent()]
        left = READ_SECONDS - (time.monotonic() - started if is_first else 0)
        with gevent.Timeout(left, NoMoreData):
            super().__init__(cfg, unreader, peer_addr, req_number)

    def set_body_reader(self) -> None:
        super().set_body_reader()
        # 0 without a body, None for a chunked one: its length shows at its end.
        length = getattr(self.body.reader, "length", None)
        if length == 0:
            return
        if length is None or length <= MOST_BYTES:
            if self._expected_100_continue:
                self.unreader.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = self.body.read(MOST_BYTES + 1)
        if length is None:
            length = len(body)
            self.headers.append(("CONTENT-LENGTH", str(length)))
        elif length <= MOST_BYTES and len(body) < length:
            raise NoMoreData
        self._expected_100_continue = False
        self.is_too_large = length > MOST_BYTES
        if self.is_too_large:
            self.force_close()
        self.body = io.BytesIO(b"" if self.is_too_large else body)


class Acceptor(StreamServer):
    """Takes the connections that have come, all of them in each turn.

    gunicorn makes it one, so that workers with a common queue share them; ours have a queue each (reuse_port).
    """

    max_accept = property(lambda self: 100, lambda self, value: None)


# gunicorn has no settings for these.
RequestParser.mesg_class = WholeRequest
ggevent.StreamServer = Acceptor


class Worker(ggevent.GeventWorker):
    """Hangs up on who waits when places get scarce or the server stops, and on who does not take an answer."""

    connections = 0

    def timeout_ctx(self) -> gevent.Timeout:
        # WholeRequest has timeouts of its own.
        return gevent.Timeout(None)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        self.connections += 1
        if self.connections > self.worker_connections // 2 and _waiting:
            self.hang_up(next(iter(_waiting)))
        try:
            super().handle(listener, client, addr)
        finally:
            self.connections -= 1

    def handle_request(self, listener_name: Any, req: WholeRequest, sock: Any, addr: Any) -> None:
        sock.settimeout(SEND_SECONDS)
        try:
            super().handle_request(listener_name, req, sock, addr)
        except TimeoutError:
            raise StopIteration from None
        finally:
            if req.is_too_large:
                # If nothing of what is under way were read, the kernel would throw the answer away.
                util.close_graceful(sock)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        gevent.spawn(self.hang_up_on_all)

    def hang_up_on_all(self) -> None:
        while True:
            for greenlet in list(_waiting):
                self.hang_up(greenlet)
            gevent.sleep(0.1)

    def hang_up(self, greenlet: gevent.Greenlet) -> None:
        greenlet.kill(NoMoreData, block=False)
