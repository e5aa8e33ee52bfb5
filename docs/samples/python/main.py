"""A guest book in memory, with nothing but Python's own library: GET shows it, POST writes into it."""

import html
import os
import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

PAGE = """<!doctype html>
<meta charset="utf-8"><title>Guest book</title>
<style>body {{ font: 1.1rem/1.6 system-ui; max-width: 36rem; margin: 3rem auto }}</style>
<h1>Hello from Python {version}</h1>
<p>This is replica <code>{replica}</code>.</p>
<form method="post"><input name="entry" placeholder="Your words" maxlength="100" required> <button>Write</button></form>
<ul>{entries}</ul>
"""
entries: list[str] = []


class GuestBook(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self) -> None:
        shown = "".join(f"<li>{html.escape(entry)}</li>" for entry in entries)
        page = PAGE.format(version=sys.version.split()[0], replica=socket.gethostname(), entries=shown).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(min(int(self.headers.get("Content-Length") or 0), 4096)).decode())
        entries.insert(0, form.get("entry", [""])[0][:100])
        del entries[20:]
        self.send_response(303)
        self.send_header("Location", "/")
        self.end_headers()


def stop(*_: object) -> None:
    """What DRaaS sends before it takes a replica away."""
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    port = int(os.environ.get("PORT", "8000"))
    print(f"listening on port {port}", flush=True)
    ThreadingHTTPServer(("", port), GuestBook).serve_forever()
