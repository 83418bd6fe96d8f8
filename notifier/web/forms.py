"""Forms that come from outside: read with bounds, and believed only with the provider's signature."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

from notifier.channels.twilio_forms import verify_signature

FORM = "application/x-www-form-urlencoded"
#: The largest form, in bytes, and the most fields in it; a status callback has about 20 fields and 1 kB.
LARGEST = 65_536
MOST_FIELDS = 500


async def read_body(request: Request, largest: int = LARGEST) -> bytes:
    """The body; answers 413 as soon as it is larger, whatever its announced length says."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > largest:
        raise HTTPException(413)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > largest:
            raise HTTPException(413)
    return bytes(body)


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a posted form, blank ones too: they are part of the signature."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM:
        raise HTTPException(415)
    body = await read_body(request)
    try:
        fields = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise HTTPException(400) from error
    return dict(fields)


async def read_signed_form(request: Request, *, token: str, public_url: str | None) -> Mapping[str, str]:
    """The same, when Twilio signed it for this very address; answers 403 otherwise."""
    form = await read_form(request)
    signature = request.headers.get("x-twilio-signature", "")
    if not token or not verify_signature(token, address(request, public_url), form, signature):
        raise HTTPException(403)
    return form


def address(request: Request, public_url: str | None) -> str:
    """The URL as the outside world wrote it: behind a proxy we see neither its scheme nor its host."""
    if public_url is None:
        return str(request.url)
    path = bytes(request.scope.get("raw_path") or request.scope["path"].encode()).decode("latin-1")
    query = bytes(request.scope["query_string"]).decode("latin-1")
    return public_url.rstrip("/") + path.partition("?")[0] + (f"?{query}" if query else "")
