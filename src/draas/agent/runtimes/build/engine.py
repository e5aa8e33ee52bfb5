"""The Docker Engine's API as the build program calls it: one call at a time, over its unix socket. Source: Docker Engine API 1.41."""

import base64
import http.client
import json
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any
from urllib.parse import quote

from draas.agent.runtimes.build.failure import BuildFailed
from draas.agent.runtimes.build.stopping import Stopping
from draas.agent.runtimes.docker.registry_auth import registry_key
from draas.model.allocation import Cause
from draas.model.login import Login

VERSION = "1.41"
CALL_TIMEOUT_S = 60.0


class EngineSaid(Exception):
    """The engine refused, or what it was asked to do failed; its words."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class Engine:
    """Raises EngineSaid where it refuses, BuildFailed(RUNTIME) where it does not answer, and Stopped once the build is."""

    def __init__(self, url: str, stopping: Stopping) -> None:
        self._socket = url.removeprefix("unix://")
        self._stopping = stopping

    def call(self, method: str, path: str, **query: str | int) -> Any:
        """The decoded answer, None where there is none."""
        with closing(_Connection(self._socket, CALL_TIMEOUT_S)) as connection:
            answer = self._ask(connection, method, path, query, {}, None)
            text = answer.read()
        return json.loads(text) if text else None

    def messages(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: Iterable[bytes] | None = None,
        **query: str | int,
    ) -> Iterator[dict[str, Any]]:
        """What it tells while it works. EngineSaid where one of these is an error."""
        connection = _Connection(self._socket, None)
        with closing(connection), self._stopping.by(connection.cut):
            answer = self._ask(connection, method, path, query, headers, body)
            while line := self._line(answer):
                message = json.loads(line)
                if "errorDetail" in message or "error" in message:
                    detail = message.get("errorDetail") or {}
                    raise EngineSaid(str(detail.get("message") or message.get("error")), int(detail.get("code") or 0))
                yield message
        self._stopping.check()

    def _line(self, answer: http.client.HTTPResponse) -> bytes:
        try:
            while (line := answer.readline()) and not line.strip():
                continue
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            raise self._away(error) from None
        return line

    def _ask(
        self,
        connection: "_Connection",
        method: str,
        path: str,
        query: Mapping[str, str | int],
        headers: Mapping[str, str],
        body: Iterable[bytes] | None,
    ) -> http.client.HTTPResponse:
        words = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items())
        target = f"/v{VERSION}/{path}" + (f"?{words}" if words else "")
        try:
            connection.request(method, target, body=body, headers=dict(headers), encode_chunked=body is not None)
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise self._away(error) from None
        if answer.status >= 400:
            raise EngineSaid(_message(answer.read()), answer.status)
        return answer

    def _away(self, error: Exception) -> BuildFailed:
        self._stopping.check()
        return BuildFailed(
            Cause.RUNTIME, f"Docker Engine went away during the build ({error}): build again when it runs"
        )


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float | None) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)

    def cut(self) -> None:
        """From another thread: whoever reads is at the end."""
        if self.sock is not None:
            self.sock.shutdown(socket.SHUT_RDWR)


def _message(body: bytes) -> str:
    text = body.decode(errors="replace").strip()
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text or "no message"


def config_header(logins: Iterable[Login]) -> dict[str, str]:
    """X-Registry-Config: all that a classic build may pull with."""
    told = {registry_key(one.host): {"username": one.username, "password": one.password} for one in logins}
    return {"X-Registry-Config": base64.urlsafe_b64encode(json.dumps(told).encode()).decode()}


def docker_config(logins: Iterable[Login]) -> str:
    """The text of a config.json with these logins."""
    auths = {
        registry_key(one.host): {"auth": base64.b64encode(f"{one.username}:{one.password}".encode()).decode()}
        for one in logins
    }
    return json.dumps({"auths": auths})
