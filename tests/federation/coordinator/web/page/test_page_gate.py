"""The gate before the operator's page: only an address with the token reaches the application behind it."""

import asyncio
from http import HTTPStatus

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse

from federation.coordinator.web.page.page_gate import PageGate

TOKEN = "a-secret_token"  # noqa: S105 (of this test)
BEHIND = PlainTextResponse("the page")


def get(path: str, params: dict[str, str] | None = None) -> httpx.Response:
    async def inside() -> httpx.Response:
        transport = httpx.ASGITransport(PageGate(BEHIND, TOKEN))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            return await http.get(path, params=params)

    return asyncio.run(inside())


@given(st.text())
@example("")
@example(TOKEN + " ")
@example(TOKEN[:-1])
@example("é")
def test_another_token_is_refused_in_words(token: str) -> None:
    answer = get("/", {"token": token})
    if token != TOKEN:
        assert answer.status_code == HTTPStatus.UNAUTHORIZED
        assert answer.text.startswith("Open this page with the address that the coordinator printed")


@pytest.mark.parametrize("path", ["/", "/?token", "/?other=1", "/nowhere", "/controls", "//", f"/x?token={TOKEN}"])
def test_addresses_without_the_token_are_refused(path: str) -> None:
    assert get(path).status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND)


@pytest.mark.parametrize("path", [f"/?token={TOKEN}", "/control/view", "/_nicegui/3.0.0/components/a.js"])
def test_the_page_and_calls_with_checks_of_their_own_are_passed_on(path: str) -> None:
    assert get(path).text == "the page"
