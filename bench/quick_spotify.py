"""A Spotify for the rehearsal: answers top tracks from memory, so that it is not the measure, and counts the calls.

`python -m bench.quick_spotify PORT`. An access token is "quick-N", where N says which of the rankings is answered.
GET /counts tells what came, by token and by moment of arrival.
"""

import asyncio
import hashlib
import json
import sys
import time
from collections import Counter

from simulator.catalogue import TIME_RANGES, ranking

TASTES = 50


def pages() -> dict[tuple[str, int], bytes]:
    found = {}
    for span in TIME_RANGES:
        for taste in range(TASTES):
            items = ranking(f"taste-{taste}", span, base_url="http://127.0.0.1", length=20)
            found[span, taste] = answer(
                {"items": items, "total": 50, "limit": 20, "offset": 0, "href": "", "next": None}
            )
    return found


def answer(data: object, status: str = "200 OK") -> bytes:
    body = json.dumps(data).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Spotify(asyncio.Protocol):
    pages: dict[tuple[str, int], bytes] = {}
    calls: Counter[tuple[str, str]] = Counter()
    moments: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, _, self.received = self.received.partition(b"\r\n\r\n")
            self.transport.write(self.answer(head.decode("latin-1")))

    def answer(self, head: str) -> bytes:
        address = head.split(" ", 2)[1]
        if address == "/counts":
            calls = [[token, span, count] for (token, span), count in self.calls.items()]
            return answer({"calls": calls, "moments": self.moments})
        if not address.startswith("/v1/me/top/tracks"):
            return answer({"error": {"status": 404, "message": "no such address"}}, "404 Not Found")
        _, _, rest = head.partition("quick-")
        token = rest.partition("\r")[0]
        span = next(name for name in TIME_RANGES if name in address)
        self.calls[token, span] += 1
        self.moments.append(time.time())
        taste = int(hashlib.sha256(token.encode()).hexdigest(), 16) % TASTES
        return self.pages[span, taste]


async def main(port: int) -> None:
    Spotify.pages = pages()
    server = await asyncio.get_running_loop().create_server(Spotify, "127.0.0.1", port)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
