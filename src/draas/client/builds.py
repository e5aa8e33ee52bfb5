"""Builds: a source uploaded, resumed where it was cut, and every route of builds as a typed method."""

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Unpack, cast
from urllib.parse import quote

from draas.client.apps import given
from draas.client.output import Followed, follow_output, log_query, read_output
from draas.client.transport import Transport
from draas.client.uploads import upload_blob
from draas.client.work import Match, page_query, wait_ended
from draas.wire.build_views import BuildList, BuildView, SameSecretsView
from draas.wire.views import ExplanationView


class Builds:
    """What a Client can do with builds. Methods raise DraasError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def upload(self, repository: str, file: Path, progress: Callable[[int, int], None]) -> str:
        """Have `file` be a blob of `repository`; its digest. `progress` is told bytes sent and bytes in all.

        What the controller has already is not sent again: neither a blob, nor what of it came before a cut.
        """
        return await upload_blob(self._transport, repository, file, progress)

    async def create(
        self, body: Mapping[str, object], *, idempotency_key: str | None = None, project: str | None = None
    ) -> BuildView:
        """A new build, from the fields that the API documents."""
        call = self._transport.call("POST", "/api/builds", body, given(project=project), once=idempotency_key)
        return cast(BuildView, await call)

    async def has_secrets(self, id: str, secrets: Mapping[str, str]) -> bool:
        """Whether a build was made with exactly these values."""
        told = await self._transport.call("POST", _build(id, "/same-secrets"), {"secrets": dict(secrets)})
        return bool(cast(SameSecretsView, told)["same"])

    async def get(self, id: str) -> BuildView:
        """A build with its attempts and its image."""
        return cast(BuildView, await self._transport.call("GET", _build(id)))

    async def wait(self, id: str, timeout_s: float | None = None) -> BuildView:
        """The build once it has ended. Raises TimeoutError where that takes longer than `timeout_s`."""
        return cast(BuildView, await wait_ended(self._transport, _build(id), f"build {id}", timeout_s))

    async def list(self, **match: Unpack[Match]) -> BuildList:
        """One page of builds, newest first."""
        return cast(BuildList, await self._transport.call("GET", "/api/builds", query=page_query(match)))

    async def cancel(self, id: str) -> BuildView:
        """A queued build never starts, a running one is stopped."""
        return cast(BuildView, await self._transport.call("POST", _build(id, "/cancel")))

    async def retry(self, id: str) -> BuildView:
        """Build again what has ended."""
        return cast(BuildView, await self._transport.call("POST", _build(id, "/retry")))

    async def delete(self, id: str) -> None:
        """Forget an ended build and its output; its image stays."""
        await self._transport.call("DELETE", _build(id))

    async def explain(self, id: str) -> ExplanationView:
        """Why it waits, or why it is built there."""
        return cast(ExplanationView, await self._transport.call("GET", _build(id, "/explain")))

    def logs(self, id: str, **wanted: Any) -> AsyncIterator[bytes]:
        """Its output as it was written; `wanted`: attempt, stream, tail, since, grep, as of jobs."""
        return read_output(self._transport, _build(id, "/logs"), _wanted(follow=False, **wanted))

    def follow(self, id: str, *, follow: bool = True, **wanted: Any) -> AsyncIterator[Followed]:
        """What it writes, as it writes it, over all its attempts to its end; a cut connection is resumed."""
        return follow_output(self._transport, _build(id, "/logs"), _wanted(follow=follow, **wanted))


def _wanted(
    *,
    follow: bool,
    attempt: int | None = None,
    stream: str | None = None,
    tail: int | None = None,
    since: str | None = None,
    grep: str | None = None,
) -> Mapping[str, Any]:
    return log_query(attempt, stream, tail, since, grep, follow=follow)


def _build(id: str, rest: str = "") -> str:
    return f"/api/builds/{quote(id, safe='')}{rest}"
