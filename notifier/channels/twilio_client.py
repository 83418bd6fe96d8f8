"""The part that imports Twilio's library; loaded by the first send, because it costs half a second."""

import base64
import threading
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from requests.adapters import HTTPAdapter
from twilio.http import HttpClient as TwilioInterface  # type: ignore[import-untyped]
from twilio.http.http_client import TwilioHttpClient  # type: ignore[import-untyped]
from twilio.http.response import Response  # type: ignore[import-untyped]
from twilio.rest import Client  # type: ignore[import-untyped]

from notifier.channels.http_wire import HttpPool, asked_wait, form


class HttpClient(TwilioHttpClient):  # type: ignore[misc]
    """Twilio's HTTP client with a timeout (its own has none), another address if asked, and a silent log.

    Its parent logs each query at level INFO, and so the recipient's number; this one logs nothing.
    """

    def __init__(self, *, timeout: float, connections: int, base_url: str | None) -> None:
        super().__init__(timeout=timeout)
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections, max_retries=0)
        self.session.mount("https://", adapter)
        self.session.mount("http://", adapter)
        self._base_url = base_url.rstrip("/") if base_url else None
        self._answer = threading.local()

    @property
    def retry_after(self) -> timedelta | None:
        """The Retry-After of this thread's last answer, at most one hour; Twilio's errors do not carry it."""
        return getattr(self._answer, "retry_after", None)

    def request(self, method: str, url: str, *arguments: Any, **named: Any) -> Any:
        """One request; its address is under `base_url` when there is one."""
        self._answer.retry_after = None
        if self._base_url is not None:
            parts = urlsplit(url)
            url = self._base_url + parts.path + (f"?{parts.query}" if parts.query else "")
        response = super().request(method, url, *arguments, **named)
        self._answer.retry_after = asked_wait((response.headers or {}).get("Retry-After"))
        return response

    def log_request(self, kwargs: dict[str, Any]) -> None:
        """Nothing: the query holds a phone number."""

    def log_response(self, status_code: int, response: Any) -> None:
        """Nothing: see `log_request`."""


class PooledClient(TwilioInterface):  # type: ignore[misc]
    """Twilio's asynchronous interface over kept connections of our own, with a timeout that holds, and a silent log.

    The library's own asynchronous client ignores its timeout, and sends a POST again that may have been taken.
    """

    def __init__(self, *, timeout: float, base_url: str) -> None:
        super().__init__(logger=None, is_async=True, timeout=timeout)
        self._pool = HttpPool(base_url, timeout=timeout)
        self._prefix = urlsplit(base_url).path.rstrip("/")
        self._heads: dict[tuple[str, ...], bytes] = {}

    async def request(
        self,
        method: str,
        url: str,
        params: object = None,
        data: Any = None,
        headers: Any = None,
        auth: tuple[str, str] | None = None,
        timeout: object = None,
        allow_redirects: object = False,
    ) -> Any:
        """POST a form. Raises NotWritten or NoAnswer."""
        if method != "POST":
            raise ValueError("only POST is asked over kept connections")
        answer = await self._pool.post(self._prefix + urlsplit(url).path, self._head(headers, auth), form(data))
        return Response(answer.status, answer.body.decode("utf-8", "replace"), dict(answer.headers))

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    def _head(self, headers: Any, auth: tuple[str, str] | None) -> bytes:
        """The same header lines for every message, made once."""
        key = (*headers.values(), *(auth or ()))
        if key not in self._heads:
            lines = dict(headers)
            if auth is not None:
                lines["Authorization"] = f"Basic {base64.b64encode(':'.join(auth).encode()).decode()}"
            self._heads = {key: "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode("latin-1")}
        return self._heads[key]


def is_behind_proxy(url: str) -> bool:
    """Does this machine reach that address by way of a proxy only? Then requests, which knows them, must go."""
    parts = urlsplit(url)
    return parts.scheme in getproxies() and not proxy_bypass(parts.hostname or "")


def make_client(account_sid: str, auth_token: str, http: Any) -> Any:
    """Twilio's client over that HTTP client."""
    # An empty mapping would mean "the machine's environment", which could turn requests to another region.
    return Client(account_sid, auth_token, http_client=http, environment={"": ""})
