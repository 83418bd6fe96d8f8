"""Forms that come from outside: read with bounds, and believed only with the provider's signature.

All of it takes the request as ASGI has it. Callbacks come by thousands, and a Request of Starlette costs as much as
reading and verifying one.
"""

from starlette.datastructures import URL
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from notifier.callbacks import read_form
from notifier.channels.twilio_forms import verify_signature

FORM = "application/x-www-form-urlencoded"
#: The largest form, in bytes, and the most fields in it; a status callback has about 20 fields and 1 kB.
LARGEST = 65_536
MOST_FIELDS = 500


def header(scope: Scope, name: bytes) -> str:
    """The first header of this name (in lower case), or nothing."""
    return next((bytes(value).decode("latin-1") for key, value in scope["headers"] if key == name), "")


async def read_body(scope: Scope, receive: Receive, largest: int = LARGEST) -> bytes:
    """The body; answers 413 as soon as it is larger, whatever its announced length says."""
    announced = header(scope, b"content-length")
    if announced.isdigit() and int(announced) > largest:
        raise HTTPException(413)
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > largest:
            raise HTTPException(413)
        more = message.get("more_body", False)
    return bytes(body)


async def read_posted_form(scope: Scope, receive: Receive) -> tuple[str, dict[str, str]]:
    """A posted form as it came, and its fields."""
    kind = header(scope, b"content-type").partition(";")[0].strip().lower()
    if kind != FORM:
        raise HTTPException(415)
    text = (await read_body(scope, receive)).decode("utf-8", "replace")
    if text.count("&") >= MOST_FIELDS:
        raise HTTPException(400)
    return text, read_form(text)


async def read_signed_form(
    scope: Scope, receive: Receive, *, token: str, public_url: str | None
) -> tuple[str, dict[str, str]]:
    """The same, when Twilio signed it for this very address; answers 403 otherwise."""
    text, form = await read_posted_form(scope, receive)
    signature = header(scope, b"x-twilio-signature")
    if not token or not verify_signature(token, address(scope, public_url), form, signature):
        raise HTTPException(403)
    return text, form


def address(scope: Scope, public_url: str | None) -> str:
    """The URL as the outside world wrote it: behind a proxy we see neither its scheme nor its host."""
    if public_url is None:
        return str(URL(scope=scope))
    path = bytes(scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    query = bytes(scope["query_string"]).decode("latin-1")
    return public_url.rstrip("/") + path.partition("?")[0] + (f"?{query}" if query else "")
