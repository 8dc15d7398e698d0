"""The page at ``/docs``: Swagger UI from our own files, under a policy that lets the browser ask nobody else."""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

STATIC = Path(__file__).parent / "static"
JAVASCRIPT = "text/javascript; charset=utf-8"

# The only files served, by the name they have under /docs/assets/. Each is a route of its own, so that any other name,
# a path with dots in it included, is the application's ordinary 404. The two of Swagger UI are unchanged copies out of
# the npm package swagger-ui-dist 5.35.0, beside their licence.
ASSETS = {
    "swagger-ui.css": ("swagger-ui/swagger-ui.css", "text/css; charset=utf-8"),
    "swagger-ui-bundle.js": ("swagger-ui/swagger-ui-bundle.js", JAVASCRIPT),
    "docs.js": ("docs.js", JAVASCRIPT),
    "favicon.svg": ("favicon.svg", "image/svg+xml"),
}

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    # No 'unsafe-inline', not even for attributes: Swagger UI sets its styles through the DOM, which the policy lets
    # pass (tried in Chromium 156). Only a style in a description's Markdown, an aligned column say, is dropped.
    "style-src": "'self'",
    "img-src": "'self' data:",  # the style sheet's arrows and locks are data: images
    "font-src": "'self'",
    "connect-src": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "form-action": "'none'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{directive} {sources}" for directive, sources in POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
A_YEAR = "public, max-age=31536000, immutable"  # safe, because the page asks for each file by its digest

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ballast API</title>
<link rel="icon" type="image/svg+xml" href="{favicon.svg}">
<link rel="stylesheet" href="{swagger-ui.css}">
</head>
<body>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript. The description itself is at <a href="/openapi.json">/openapi.json</a>.</noscript>
<script src="{swagger-ui-bundle.js}"></script>
<script src="{docs.js}"></script>
</body>
</html>
"""


def add_docs(app: FastAPI) -> None:
    """Serve ``/docs`` and its assets from ``app``, made with ``docs_url=None`` and ``redoc_url=None``."""
    page = PAGE
    for name, (file, media_type) in ASSETS.items():
        content = (STATIC / file).read_bytes()
        path = f"/docs/assets/{name}"
        app.add_route(path, _serve(content, media_type, A_YEAR), methods=["GET"], include_in_schema=False)
        page = page.replace(f"{{{name}}}", f"{path}?v={sha256(content).hexdigest()[:12]}")
    html = _serve(page.encode(), "text/html; charset=utf-8", "no-cache")
    app.add_route("/docs", html, methods=["GET"], include_in_schema=False)


def _serve(content: bytes, media_type: str, cache: str) -> Callable[[Request], Awaitable[Response]]:
    async def serve(_: Request) -> Response:
        return Response(content, media_type=media_type, headers={**HEADERS, "Cache-Control": cache})

    return serve
