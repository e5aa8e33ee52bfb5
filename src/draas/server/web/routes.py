"""Routes of the dashboard: its page for every address under /dashboard, and its files."""

import secrets
from pathlib import Path

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from draas.server.sessions import cookie_name
from draas.server.web.assets import Asset, find_assets

BUILT = Path(__file__).parent / "static"
HOME = "/dashboard"
INDEX = "index.html"
NONCE = "__NONCE__"  # stands in index.html for what each answer has of its own
SESSION = "__SESSION__"  # likewise: whether the browser has sent a session, so that start.js asks for more at once
FOREVER = "public, max-age=31536000, immutable"  # the name holds a hash of the content
FILE_HEADERS = {"x-content-type-options": "nosniff", "cross-origin-resource-policy": "same-origin"}
HEADERS = FILE_HEADERS | {
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "x-frame-options": "DENY",
}
NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>DRaaS</title>
<h1>DRaaS</h1>
<p>The controller runs. Its dashboard has not been built in this tree: <code>./draas up</code> builds it, or
<code>python web/build.py</code>.
<p>The API is described at <a href="/docs">/docs</a> (it needs a key).
"""


def policy(nonce: str) -> str:
    """The Content-Security-Policy: our own files only, no inline script; inline style only by the page's nonce.

    The nonce is for the style elements in which Mantine keeps the theme's variables.
    """
    return (
        "default-src 'none'; script-src 'self'; "
        f"style-src 'self' 'nonce-{nonce}'; "
        "img-src 'self' data:; connect-src 'self'; font-src 'self'; manifest-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )


def is_built(folder: Path = BUILT) -> bool:
    """Whether there is a dashboard to serve."""
    return (folder / INDEX).is_file()


class Web:
    """The built dashboard in `folder`, or a page that says how to build it."""

    def __init__(self, folder: Path) -> None:
        self._assets = find_assets(folder) if folder.is_dir() else {}
        index = self._assets.get(INDEX)
        self._page = index.path.read_text() if index is not None else NOT_BUILT

    async def home(self, request: Request) -> Response:
        """To the one address that the dashboard has; a browser takes what follows the # along."""
        path = HOME if request.url.path == "/" else HOME + request.url.path
        return RedirectResponse(path, 307, {**HEADERS, "cache-control": "no-store"})

    async def page(self, request: Request) -> Response:
        """The page, which looks at its own address."""
        return self._render_page(request)

    async def file(self, request: Request) -> Response:
        """A file of the build; the page for any other path that could be one of its own addresses."""
        name = str(request.path_params["path"])
        asset = self._assets.get(name)
        if asset is not None and name != INDEX:
            return _send(request, asset, FOREVER if name.startswith("assets/") else "no-cache")
        if name.startswith("assets/"):
            return Response("no such file\n", 404, {**HEADERS, "cache-control": "no-store"}, "text/plain")
        return self._render_page(request)

    def _render_page(self, request: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        headers = {**HEADERS, "content-security-policy": policy(nonce), "cache-control": "no-cache, no-store"}
        host = request.headers.get("host", "")
        has_session = any(cookie_name(host, secure=secure) in request.cookies for secure in (True, False))
        page = self._page.replace(NONCE, nonce).replace(SESSION, "sent" if has_session else "none")
        return Response(page, 200, headers, "text/html; charset=utf-8")


def _send(request: Request, asset: Asset, cache: str) -> Response:
    headers = {**FILE_HEADERS, "cache-control": cache, "etag": asset.etag, "vary": "accept-encoding"}
    headers["content-security-policy"] = (
        "default-src 'none'; frame-ancestors 'none'"  # opened by itself it can do nothing
    )
    if asset.etag in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    coding, path = asset.choose(request.headers.get("accept-encoding", ""))
    if coding:
        headers["content-encoding"] = coding
    return Response(path.read_bytes(), 200, headers, asset.media_type)


def web_routes(folder: Path) -> list[Route]:
    """All of them; they are in the table of access as public."""
    web = Web(folder)
    return [
        Route("/", web.home, methods=["GET"]),
        Route("/sign-in", web.home, methods=["GET"]),
        Route(HOME, web.page, methods=["GET"]),
        Route(f"{HOME}/{{path:path}}", web.file, methods=["GET"]),
    ]
