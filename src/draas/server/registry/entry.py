"""Entry: one path of the distribution API as an ASGI application: who asks, whether they may, and errors in the API's own form."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from draas.model.allocation import NodeId
from draas.model.errors import DraasError, Forbidden, Invalid
from draas.model.image_name import (
    Digest,
    Repository,
    Tag,
    parse_digest,
    parse_reference,
    parse_repository,
    project_of_repository,
)
from draas.model.node_rights import NodeRights
from draas.server.access import ROUTES, Caller, Need, authorize
from draas.server.api.guard import api_of, caller_of, identify
from draas.server.registry.errors import Refused, render_error, render_refused
from draas.server.registry.images import Images
from draas.store.blobs import UploadId
from draas.store.store import Key, StoreFailure

VERSION = {
    "Docker-Distribution-API-Version": "registry/2.0"
}  # "Legacy Docker support HTTP headers": clients may ask for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request by somebody who may make it. `rights` are a node's: all that its key opens."""

    request: Request
    images: Images
    key: Key
    rights: NodeRights | None = None

    def check_may_read(self, repository: Repository) -> None:
        """Raises Forbidden, in the same words whether or not the repository exists."""
        self._check_project(repository)
        if self.rights is not None and not self.rights.may_read(repository):
            raise Forbidden(f"this node runs nothing now that needs {repository}")

    def check_may_write(self, repository: Repository) -> None:
        """Raises Forbidden, in the same words whether or not the repository exists."""
        self._check_project(repository)
        if self.rights is not None and not self.rights.may_write(repository):
            raise Forbidden(f"this node runs no build now that makes {repository}")

    def _check_project(self, repository: Repository) -> None:
        project = self.key.project
        if project is not None and project != project_of_repository(repository):
            raise Forbidden(f"the key is for project {project} only: its repositories are {project}/NAME")

    @property
    def repository(self) -> Repository:
        """The repository in the path. It was checked on the way in."""
        return Repository(self.request.path_params["name"])

    @property
    def digest(self) -> Digest:
        """The digest in the path. Raises Refused."""
        return digest_of(self.request.path_params["digest"])

    @property
    def reference(self) -> Tag | Digest:
        """The tag or digest in the path. Raises Refused."""
        try:
            return parse_reference(self.request.path_params["reference"])
        except Invalid as wrong:
            raise Refused(400, "MANIFEST_INVALID", wrong.detail) from None

    @property
    def session(self) -> UploadId:
        """The upload in the path."""
        return UploadId(self.request.path_params["session"])


Answer = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The ASGI application at `path`, which is in the table of access for each of `answers`, by method."""

    path: str
    answers: Mapping[str, Answer]
    images: Images

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return  # there is nobody to answer
        except Refused as refused:
            response = render_refused(refused)
        except (DraasError, StoreFailure) as error:
            response = render_error(error)
        response.headers.update(VERSION)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        key = identify(request, with_basic(caller_of(request)))
        rule = ROUTES[request.method, self.path]
        authorize(key, rule)
        rights = api_of(request).controller.node_rights(NodeId(key.node_id or "")) if key.role == "node" else None
        call = Call(request=request, images=self.images, key=key, rights=rights)
        if (name := request.path_params.get("name")) is not None:
            repository = repository_of(name)
            if rule.need is Need.VIEWER:
                call.check_may_read(repository)
            else:
                call.check_may_write(repository)
        return await self.answers[request.method](call)


def with_basic(caller: Caller) -> Caller:
    """A caller whose key is the password of Basic authentication, as if it were a Bearer's; any user name will do."""
    scheme, _, given = (caller.authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return caller
    try:
        password = base64.b64decode(given.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        password = ""
    return replace(caller, authorization=f"Bearer {password}")


def repository_of(name: str) -> Repository:
    """`name` as a repository. Raises Refused."""
    try:
        return parse_repository(name)
    except Invalid as wrong:
        raise Refused(400, "NAME_INVALID", wrong.detail) from None


def digest_of(text: str) -> Digest:
    """`text` as a digest. Raises Refused."""
    try:
        return parse_digest(text)
    except Invalid as wrong:
        raise Refused(400, "DIGEST_INVALID", wrong.detail) from None
