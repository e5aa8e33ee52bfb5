"""What a submission costs: POST /api/jobs through the whole ASGI application without a socket, against a bare ASGI echo.

Prints microseconds of CPU a request, and for a batch of 10,000 jobs the longest time that the event loop was held.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from draas.server.access import first_admin_key
from draas.server.api.app import create_app
from draas.server.api.config import ApiConfig
from draas.testing.fake_controller import FakeController

REQUESTS = 5_000
JOB = {
    "name": "resize", "image": "python:3.12-slim", "command": "python -c 'print(1)'",
    "resources": {"cpu_cores": 1, "memory_mb": 256, "gpus": 0}, "env": {}, "priority": 50, "retries": 2,
    "timeout_s": 600, "labels": {}, "constraints": ["node.arch == amd64"], "needs": [], "runtime": "docker",
    "exclusive": False,
}  # fmt: skip
Message = MutableMapping[str, Any]
App = Callable[..., Awaitable[None]]


async def echo(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """The floor: read the body, answer it."""
    message = await receive()
    await send({"type": "http.response.start", "status": 201, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": message["body"]})


async def request(app: App, path: str, body: bytes, key: str) -> int:
    """One request; returns the status."""
    headers = [
        (b"host", b"x"), (b"authorization", f"Bearer {key}".encode()), (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]  # fmt: skip
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "state": {},
    }  # fmt: skip
    status = 0

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)

    await app(scope, receive, send)
    return status


async def cost_us(app: App, key: str) -> float:
    """CPU microseconds of one submission."""
    body = json.dumps(JOB).encode()
    await request(app, "/api/jobs", body, key)
    before = time.process_time()
    for _ in range(REQUESTS):
        if await request(app, "/api/jobs", body, key) != 201:
            raise SystemExit("a submission failed")
    return (time.process_time() - before) / REQUESTS * 1e6


async def longest_hold_ms(work: Awaitable[Any]) -> tuple[float, float]:
    """How long `work` took, and the longest time between two turns of the event loop meanwhile."""
    longest, last = 0.0, time.perf_counter()

    async def watch() -> None:
        nonlocal longest, last
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    watching = asyncio.ensure_future(watch())
    started = time.perf_counter()
    await work
    took = time.perf_counter() - started
    watching.cancel()
    return took * 1000, longest * 1000


async def main() -> None:
    """Measure both and print."""
    controller = FakeController()
    key = await first_admin_key(controller, None) or ""
    app = create_app(controller, ApiConfig())
    draas, floor = await cost_us(app, key), await cost_us(echo, key)
    print(f"POST /api/jobs: {draas:.0f} us CPU; bare ASGI echo: {floor:.0f} us; ratio {draas / floor:.1f}")
    batch = json.dumps({"jobs": [JOB] * 10_000}).encode()
    took, held = await longest_hold_ms(request(app, "/api/jobs/batch", batch, key))
    print(
        f"batch of 10,000 ({len(batch) / 1e6:.1f} MB): {took:.0f} ms, event loop held for at most {held:.1f} ms at a time"
    )


if __name__ == "__main__":
    asyncio.run(main())
