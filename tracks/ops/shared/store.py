"""Where the shared pages are kept: in the worker's memory, the least recently used go first."""

import gzip
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.http.response import ResponseHeaders
from django.utils.http import http_date

from tracks.ops.shared.version import Version

# What a page takes beside its body: headers and the like.
OVERHEAD_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class Page:
    """An answer as it was rendered, and of which version of the charts.

    `pairs` are the headers once more, as the server takes them. With `?v=` and `lasting_version` it never changes.
    """

    body: bytes
    headers: ResponseHeaders
    pairs: list[tuple[str, str]]
    etag: str
    version: Version
    lasting_version: str = ""

    @classmethod
    def of(cls, response: HttpResponse, *, version: Version, encoding: str) -> "Page":
        """The page that a view answered with; its headers are checked and completed here, once and for all."""
        body = response.content
        # Weak: the same for each encoding of the body.
        etag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = response.headers
        if encoding == "gzip" and headers.get("Content-Type") != "image/png":
            body = gzip.compress(body, 6)
            headers["Content-Encoding"] = "gzip"
        headers["Content-Length"] = str(len(body))
        headers["ETag"] = etag
        if version and version[1]:
            headers["Last-Modified"] = http_date(version[1].timestamp())
        return cls(
            body=body,
            headers=headers,
            pairs=list(headers.items()),
            etag=etag,
            version=version,
            lasting_version=getattr(response, "lasting_version", ""),
        )

    @property
    def last_modified(self) -> int | None:
        """When the charts were last confirmed or changed, in seconds since the epoch."""
        return int(self.version[1].timestamp()) if self.version and self.version[1] else None

    @property
    def size(self) -> int:
        return len(self.body) + OVERHEAD_BYTES


class LayeredHeaders(MutableMapping[str, Any]):
    """An answer's own headers over those of the page, which are not copied and checked again for each visitor."""

    def __init__(self, page: ResponseHeaders, pairs: list[tuple[str, str]]) -> None:
        self.page = page
        self.pairs = pairs
        self.own = ResponseHeaders({})

    def __getitem__(self, name: str) -> str:
        return self.own[name] if name in self.own else self.page[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.own[name] = value

    def __delitem__(self, name: str) -> None:
        self.own = ResponseHeaders({**self.page, **self.own})
        self.page, self.pairs = ResponseHeaders({}), []
        del self.own[name]

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self.page

    def __iter__(self) -> Iterator[str]:
        yield from self.own
        yield from (name for name in self.page if name not in self.own)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def items(self) -> Any:
        own = list(self.own.items())
        if any(name in self.page for name, _ in own):
            return [pair for pair in self.pairs if pair[0] not in self.own] + own
        return self.pairs + own


class SharedResponse(HttpResponse):
    """A page on its way to one visitor."""

    def __init__(self, page: Page, *, age: float) -> None:
        super().__init__(page.body)
        self.headers = LayeredHeaders(page.headers, page.pairs)  # type: ignore[assignment]
        self.headers["Age"] = str(max(0, int(age)))


class PageStore:
    """Pages by key, up to `most_bytes` in all."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self._pages: OrderedDict[Hashable, Page] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Page | None:
        with self._lock:
            page = self._pages.get(key)
            if page is not None:
                self._pages.move_to_end(key)
            return page

    def put(self, key: Hashable, page: Page) -> None:
        """Keeps the page, unless it is larger than the whole store."""
        with self._lock:
            self._drop(key)
            if page.size > self.most_bytes:
                return
            self._pages[key] = page
            self.bytes += page.size
            while self.bytes > self.most_bytes:
                self._drop(next(iter(self._pages)))

    def _drop(self, key: Hashable) -> None:
        page = self._pages.pop(key, None)
        self.bytes -= page.size if page else 0

    def __len__(self) -> int:
        return len(self._pages)
