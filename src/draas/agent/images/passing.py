"""Passing: what of a request goes on to the controller, and what of its answer comes back. Pure; all else stops here."""

import base64
import hmac
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from draas.model.errors import Invalid
from draas.model.image_name import parse_repository
from draas.model.login import Login

_NAME = r"(?P<name>[a-z0-9._/-]{3,255})"
_TAG_OR_DIGEST = r"(?:[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}|sha256:[0-9a-f]{64})"
_READS = frozenset({"GET", "HEAD"})
# Source: OCI distribution specification 1.1, "Endpoints". Deleting is nothing that an engine does.
_ENDPOINTS = (
    (re.compile(r"/v2/"), _READS),
    (re.compile(rf"/v2/{_NAME}/manifests/{_TAG_OR_DIGEST}"), _READS | {"PUT"}),
    (re.compile(rf"/v2/{_NAME}/blobs/sha256:[0-9a-f]{{64}}"), _READS),
    (re.compile(rf"/v2/{_NAME}/blobs/uploads/"), frozenset({"POST"})),
    (re.compile(rf"/v2/{_NAME}/blobs/uploads/[A-Za-z0-9_-]{{1,128}}"), _READS | {"PATCH", "PUT", "DELETE"}),
    (re.compile(rf"/v2/{_NAME}/tags/list"), _READS),
)
_QUERY = re.compile(r"[A-Za-z0-9._~%=&+:/@-]{0,1024}")
_ASKED = ("Accept", "Content-Type", "Content-Range", "Content-Length", "Range", "If-Range", "User-Agent")
_ANSWERED = (
    *("Content-Type", "Content-Length", "Content-Range", "Accept-Ranges", "Range", "ETag", "Cache-Control", "Link"),
    *("Docker-Content-Digest", "Docker-Distribution-API-Version", "Docker-Upload-UUID", "OCI-Chunk-Min-Length"),
    *("OCI-Subject", "OCI-Filters-Applied", "Retry-After"),
)


def status_of_target(method: str, target: str) -> int:
    """200 where `target`, as it stands in the request's first line, may be asked for by `method`; 404 or 405 where not."""
    path, _, query = target.partition("?")
    if not _QUERY.fullmatch(query):
        return 404
    for pattern, methods in _ENDPOINTS:
        found = pattern.fullmatch(path)
        if found is not None and _is_repository(found.groupdict().get("name")):
            return 200 if method in methods else 405
    return 404


def _is_repository(name: str | None) -> bool:
    try:
        return name is None or bool(parse_repository(name))
    except Invalid:
        return False


def asked_headers(given: Mapping[str, str]) -> dict[str, str]:
    """Of a request. What it says of who asks is left out: the node's key stands for that."""
    return {name: given[name] for name in _ASKED if name in given}


def answered_headers(given: Mapping[str, str]) -> dict[str, str]:
    """Of an answer; its Location without the controller's address, so that it leads back here."""
    kept = {name: given[name] for name in _ANSWERED if name in given}
    if (location := given.get("Location")) is not None:
        parts = urlsplit(location)
        kept["Location"] = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return kept


def opens(authorization: str | None, login: Login) -> bool:
    """Whether a request's Authorization is `login`, by Basic authentication (RFC 7617)."""
    scheme, _, given = (authorization or "").partition(" ")
    wanted = base64.b64encode(f"{login.username}:{login.password}".encode())
    return scheme.lower() == "basic" and hmac.compare_digest(given.strip().encode(), wanted)
