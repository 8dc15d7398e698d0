"""The documentation page asks nobody but us, and runs nothing that is not in one of our files."""

from collections.abc import AsyncIterator
from html.parser import HTMLParser

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Message

from app.docs_page import ASSETS, add_docs

pytestmark = pytest.mark.anyio

TYPES = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "docs.js": "text/javascript; charset=utf-8",
    "favicon.svg": "image/svg+xml",
}
POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI(docs_url=None, redoc_url=None)

    @app.exception_handler(HTTPException)
    async def as_problem(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"status": error.status_code}, error.status_code, media_type="application/problem+json")

    add_docs(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ballast.test") as client:
        yield client


class Page(HTMLParser):
    """What a browser would fetch and run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self.title = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.links += [value for name, value in attrs if name in ("src", "href") and value is not None]

    def handle_data(self, data: str) -> None:
        inside = self.tags[-1][0] if self.tags else ""
        if inside in ("script", "style"):
            self.inline += data.strip()
        if inside == "title":
            self.title += data.strip()


def assert_guarded(response: httpx.Response) -> None:
    assert set(response.headers["content-security-policy"].split("; ")) == POLICY
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"


class TestPage:
    async def test_is_html_under_the_policy(self, browser: httpx.AsyncClient) -> None:
        response = await browser.get("/docs")
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert response.headers["cache-control"] == "no-cache"
        assert Page(response.text).title == "Ballast API"
        assert_guarded(response)

    async def test_links_only_to_us_and_every_asset_is_there(self, browser: httpx.AsyncClient) -> None:
        page = Page((await browser.get("/docs")).text)
        assert all(link.startswith("/") and not link.startswith("//") for link in page.links)
        assets = [link for link in page.links if link != "/openapi.json"]
        assert len(assets) == len(ASSETS)
        for link in assets:
            assert (await browser.get(link)).status_code == 200

    async def test_holds_no_inline_script_or_style(self, browser: httpx.AsyncClient) -> None:
        page = Page((await browser.get("/docs")).text)
        assert page.inline == ""
        for tag, attributes in page.tags:
            assert tag != "style"
            assert tag != "script" or attributes.get("src")
            assert not [name for name in attributes if name == "style" or name.startswith("on")]

    async def test_takes_no_other_method(self, browser: httpx.AsyncClient) -> None:
        assert (await browser.post("/docs")).status_code == 405


class TestAssets:
    @pytest.mark.parametrize(("name", "media_type"), TYPES.items())
    async def test_each_has_its_type_and_lasts(self, browser: httpx.AsyncClient, name: str, media_type: str) -> None:
        response = await browser.get(f"/docs/assets/{name}")
        assert response.status_code == 200
        assert response.headers["content-type"] == media_type
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.content
        assert_guarded(response)

    def test_all_are_listed_here(self) -> None:
        assert TYPES.keys() == ASSETS.keys()

    @pytest.mark.parametrize(
        "name", ["", "swagger-ui.js", "swagger-ui-bundle.js.map", "LICENSE", "swagger-ui/swagger-ui.css"]
    )
    async def test_any_other_name_is_our_own_404(self, browser: httpx.AsyncClient, name: str) -> None:
        response = await browser.get(f"/docs/assets/{name}")
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"

    @pytest.mark.parametrize(
        "path",
        [
            "../docs_page.py",
            "../../docs_page.py",
            "swagger-ui/../../docs_page.py",
            "..\\docs_page.py",
            "/etc/passwd",
            "docs.js\0",
            "./docs.js",
        ],
    )
    async def test_a_path_that_climbs_is_refused(self, path: str) -> None:
        assert await status_of(f"/docs/assets/{path}") == 404


async def status_of(path: str) -> int:
    """Return the status of a GET of exactly this decoded path: a client would tidy its dots away."""
    app = FastAPI(docs_url=None, redoc_url=None)
    add_docs(app)
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "query_string": b"", "headers": []}
    await app(scope, receive, send)
    return statuses[0]
