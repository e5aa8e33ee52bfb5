"""Client: every route of the API as a typed method. Answers are the plain dictionaries of draas.wire.views."""

from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Unpack, cast
from urllib.parse import quote

import msgspec

from draas.client.apps import AppCalls
from draas.client.apps import given as _query
from draas.client.builds import Builds
from draas.client.images import ImageCalls
from draas.client.output import Followed, follow_output, log_query, read_output
from draas.client.settings import Settings, load_settings
from draas.client.transport import Transport
from draas.client.work import Match, page_query, wait_ended
from draas.wire.views import (
    AboutView,
    BatchView,
    CertificateList,
    CertificateView,
    EventView,
    ExplanationView,
    HealthView,
    JobList,
    JobSummary,
    JobView,
    JoinedView,
    JoinTokenView,
    KeyList,
    NewKeyView,
    NodeList,
    NodeView,
    RegistryList,
    RegistryView,
    SignInLinkView,
    StatusView,
)


class Client(AppCalls, ImageCalls):
    """`async with Client() as client:` speaks to the controller of the environment or of config.toml.

    `patience_s` is how long a controller that is away is waited for. Methods raise DraasError.
    """

    def __init__(self, settings: Settings | None = None, *, patience_s: float = 10.0) -> None:
        self.transport = Transport(settings if settings is not None else load_settings(), patience_s=patience_s)
        self.builds = Builds(self.transport)

    async def __aenter__(self) -> "Client":
        await self.transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.transport.__aexit__(kind, error, trace)

    async def health(self) -> HealthView:
        """That the controller is alive, its version and time."""
        return cast(HealthView, await self.transport.call("GET", "/healthz"))

    async def check_ready(self) -> None:
        """Raises Unavailable with the reason where the controller cannot take work."""
        await self.transport.call("GET", "/readyz")

    async def metrics(self) -> str:
        """Prometheus text."""
        return (await self.transport.read("GET", "/metrics")).decode()

    async def openapi(self) -> dict[str, Any]:
        """The API's own description."""
        return cast("dict[str, Any]", await self.transport.call("GET", "/api/openapi.json"))

    # --- jobs ---

    async def submit(self, job: Mapping[str, object], project: str | None = None) -> JobView:
        """A new job, from the fields that the API documents."""
        return cast(JobView, await self.transport.call("POST", "/api/jobs", job, _query(project=project)))

    async def submit_batch(self, jobs: Sequence[Mapping[str, object]], project: str | None = None) -> BatchView:
        """Up to 10,000 new jobs, all or none."""
        body = {"jobs": jobs}
        return cast(BatchView, await self.transport.call("POST", "/api/jobs/batch", body, _query(project=project)))

    async def jobs(self, **match: Unpack[Match]) -> JobList:
        """One page of jobs, newest first."""
        return cast(JobList, await self.transport.call("GET", "/api/jobs", query=page_query(match)))

    async def all_jobs(self, **match: Any) -> AsyncIterator[JobSummary]:
        """All jobs that match (the arguments of `jobs`), page after page."""
        cursor: str | None = None
        while True:
            page = await self.jobs(**{"limit": 1000, **match, "cursor": cursor})
            for job in page["items"]:
                yield job
            if (cursor := page["next"]) is None:
                return

    async def job(self, id: str) -> JobView:
        """A job with its attempts."""
        return cast(JobView, await self.transport.call("GET", _job(id)))

    async def wait(self, id: str, timeout_s: float | None = None) -> JobView:
        """The job once it has ended. Raises TimeoutError where that takes longer than `timeout_s`."""
        return cast(JobView, await wait_ended(self.transport, _job(id), f"job {id}", timeout_s))

    async def cancel(self, id: str) -> JobView:
        """A queued job never starts, a running one is stopped."""
        return cast(JobView, await self.transport.call("POST", _job(id, "/cancel")))

    async def retry(self, id: str) -> JobView:
        """Run an ended job again."""
        return cast(JobView, await self.transport.call("POST", _job(id, "/retry")))

    async def delete(self, id: str) -> None:
        """Forget an ended job and its logs."""
        await self.transport.call("DELETE", _job(id))

    async def explain(self, id: str) -> ExplanationView:
        """Why it waits, or why it runs there."""
        return cast(ExplanationView, await self.transport.call("GET", _job(id, "/explain")))

    def logs(
        self,
        id: str,
        *,
        attempt: int | None = None,
        stream: str | None = None,
        tail: int | None = None,
        since: str | None = None,
        grep: str | None = None,
    ) -> AsyncIterator[bytes]:
        """The output of an attempt (default: the latest) as it was written, in pieces."""
        query = log_query(attempt, stream, tail, since, grep, follow=False)
        return read_output(self.transport, _job(id, "/logs"), query)

    def follow(
        self,
        id: str,
        *,
        attempt: int | None = None,
        stream: str | None = None,
        tail: int | None = None,
        since: str | None = None,
        grep: str | None = None,
        follow: bool = True,
    ) -> AsyncIterator[Followed]:
        """What the job writes, as it writes it, over all its attempts to its end; a cut connection is resumed."""
        query = log_query(attempt, stream, tail, since, grep, follow=follow)
        return follow_output(self.transport, _job(id, "/logs"), query)

    # --- nodes ---

    async def nodes(self) -> NodeList:
        """All nodes, by name."""
        return cast(NodeList, await self.transport.call("GET", "/api/nodes"))

    async def node(self, id_or_name: str) -> NodeView:
        """One node."""
        return cast(NodeView, await self.transport.call("GET", _node(id_or_name)))

    async def patch_node(
        self, id_or_name: str, *, labels: Mapping[str, str | None] | None = None, state: str | None = None
    ) -> NodeView:
        """Set labels (None removes one); `state` draining or ready."""
        body = {"labels": labels or {}, **({"state": state} if state is not None else {})}
        return cast(NodeView, await self.transport.call("PATCH", _node(id_or_name), body))

    async def remove_node(self, id_or_name: str) -> None:
        """The node leaves for good."""
        await self.transport.call("DELETE", _node(id_or_name))

    async def make_join_token(self, ttl_s: float | None = None) -> JoinTokenView:
        """A token with which one machine may join."""
        body = {"ttl_s": ttl_s} if ttl_s is not None else {}
        return cast(JoinTokenView, await self.transport.call("POST", "/api/join-tokens", body))

    async def join(self, token: str, name: str, key: str | None = None) -> JoinedView:
        """An identity for this machine; `key` is its earlier one, with which it stays the same node."""
        body = {"token": token, "name": name, **({"key": key} if key is not None else {})}
        return cast(JoinedView, await self.transport.call("POST", "/api/join", body))

    # --- events and keys ---

    async def events(self, since: int | None = None) -> AsyncIterator[EventView]:
        """Events after number `since`, or from now on, for ever; a cut connection is resumed."""
        query = _query(since=str(since) if since is not None else None)
        async for frame in self.transport.frames("/api/events", query, end=None):
            yield cast(EventView, msgspec.json.decode(frame.data))

    async def keys(self) -> KeyList:
        """All keys, without their secrets."""
        return cast(KeyList, await self.transport.call("GET", "/api/keys"))

    async def make_key(
        self, role: str, *, name: str = "", project: str | None = None, ttl_s: float | None = None
    ) -> NewKeyView:
        """A new key; its secret is shown this once."""
        body = {"role": role, "name": name, "project": project, "ttl_s": ttl_s}
        return cast(NewKeyView, await self.transport.call("POST", "/api/keys", body))

    async def rotate_key(self, id: str, *, keep_s: float = 0.0) -> NewKeyView:
        """Another key in this one's place, which ends `keep_s` seconds from now; the secret is shown this once."""
        path = f"/api/keys/{quote(id, safe='')}/rotate"
        return cast(NewKeyView, await self.transport.call("POST", path, {"keep_s": keep_s}))

    async def make_sign_in_link(self) -> SignInLinkView:
        """A link that signs a browser in once, with this client's key."""
        return cast(SignInLinkView, await self.transport.call("POST", "/api/sign-in-links"))

    async def status(self) -> StatusView:
        """How the cluster is, in one sentence."""
        return cast(StatusView, await self.transport.call("GET", "/api/status"))

    async def about(self) -> AboutView:
        """What the controller is and how it is set up."""
        return cast(AboutView, await self.transport.call("GET", "/api/about"))

    async def revoke_key(self, id: str) -> None:
        """The key is good for nothing from now on."""
        await self.transport.call("DELETE", f"/api/keys/{quote(id, safe='')}")

    async def certificates(self) -> CertificateList:
        """All certificates, without their keys."""
        return cast(CertificateList, await self.transport.call("GET", "/api/certificates"))

    async def put_certificate(self, host: str, chain: str, key: str) -> CertificateView:
        """Have ingresses show `chain` for `host`, which may be *.DOMAIN. Both in PEM; the key is never shown again."""
        body = {"chain": chain, "key": key}
        path = f"/api/certificates/{quote(host, safe='')}"
        return cast(CertificateView, await self.transport.call("PUT", path, body))

    async def remove_certificate(self, host: str) -> None:
        """Ingresses show it no longer."""
        await self.transport.call("DELETE", f"/api/certificates/{quote(host, safe='')}")

    async def registries(self, project: str | None = None) -> RegistryList:
        """The logins to registries, without their passwords."""
        return cast(RegistryList, await self.transport.call("GET", "/api/registries", query=_query(project=project)))

    async def put_registry(self, host: str, username: str, password: str, project: str | None = None) -> RegistryView:
        """Log a project in to the registry `host`. The password is never shown again."""
        body = {"username": username, "password": password, **_query(project=project)}
        path = f"/api/registries/{quote(host, safe='')}"
        return cast(RegistryView, await self.transport.call("PUT", path, body))

    async def remove_registry(self, host: str, project: str | None = None) -> None:
        """The project's login is gone."""
        await self.transport.call("DELETE", f"/api/registries/{quote(host, safe='')}", query=_query(project=project))


def _job(id: str, rest: str = "") -> str:
    return f"/api/jobs/{quote(id, safe='')}{rest}"


def _node(id_or_name: str) -> str:
    return f"/api/nodes/{quote(id_or_name, safe='')}"
