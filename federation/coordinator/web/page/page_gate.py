"""A gate before the operator's page: without the token, nothing of the page is built.

NiceGUI builds a page, with all its elements, for each request, and keeps it until a browser has not called for a minute. The gate
answers requests without the token itself, in one line, and keeps nothing.
"""

import hmac
from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_OPEN = ("/control/", "/_nicegui")  # calls that check the token themselves, and what the page loads
_PAGE = "/"
_REFUSAL = "Open this page with the address that the coordinator printed: it ends in ?token=…\n"


class PageGate:
    """Passes on the calls of an application's page that contain the token, and the calls that are not for a page."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a call on, or refuses it."""
        path = scope.get("path", "")
        if scope["type"] != "http" or path.startswith(_OPEN) or (path == _PAGE and self._has_token(scope)):
            await self._app(scope, receive, send)
            return
        status = HTTPStatus.UNAUTHORIZED if path == _PAGE else HTTPStatus.NOT_FOUND
        await PlainTextResponse(_REFUSAL, status)(scope, receive, send)

    def _has_token(self, scope: Scope) -> bool:
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        return hmac.compare_digest(given.encode(), self._token)
