"""The part that imports Twilio's library; loaded by the first send, because it costs half a second."""

import threading
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter
from twilio.http.http_client import TwilioHttpClient  # type: ignore[import-untyped]
from twilio.rest import Client  # type: ignore[import-untyped]

_LONGEST_WAIT = timedelta(hours=1)


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
        self._answer.retry_after = _seconds((response.headers or {}).get("Retry-After"))
        return response

    def log_request(self, kwargs: dict[str, Any]) -> None:
        """Nothing: the query holds a phone number."""

    def log_response(self, status_code: int, response: Any) -> None:
        """Nothing: see `log_request`."""


def _seconds(value: str | None) -> timedelta | None:
    if value is None or not value.strip().isdigit():
        return None
    return min(timedelta(seconds=int(value)), _LONGEST_WAIT)


def make_client(account_sid: str, auth_token: str, http: HttpClient) -> Any:
    """Twilio's client over that HTTP client."""
    # An empty mapping would mean "the machine's environment", which could turn requests to another region.
    return Client(account_sid, auth_token, http_client=http, environment={"": ""})
