"""Errors as the distribution API tells them (specification 1.1, "Error Codes"): a status, a code, a sentence."""

import math
from collections.abc import Mapping, Sequence

import msgspec
from starlette.responses import Response

from draas.model.errors import DraasError, Forbidden, TooOften, Unauthenticated, Unavailable
from draas.server.api.problems import status_of
from draas.server.services.own_disk import NoRoom
from draas.store.blobs import StorageFull, WrongDigest
from draas.store.store import StoreFailure

NO_STORE = {"Cache-Control": "no-store"}
_CODES: Mapping[type[DraasError], str] = {
    Unauthenticated: "UNAUTHORIZED",
    Forbidden: "DENIED",
    TooOften: "TOOMANYREQUESTS",
    Unavailable: "UNAVAILABLE",
    NoRoom: "UNAVAILABLE",
}


class Refused(Exception):
    """A request that cannot be served: one error, with `details` one for each of them."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details
        self.headers = dict(headers or {})


def render_refused(refused: Refused) -> Response:
    """The answer that tells it."""
    one: dict[str, object] = {"code": refused.code, "message": refused.message}
    errors = [{**one, "detail": detail} for detail in refused.details] or [one]
    return _response(refused.status, errors, refused.headers)


def render_error(error: DraasError | StoreFailure) -> Response:
    """The answer that tells what went wrong further in."""
    if isinstance(error, StorageFull):  # terminal for clients: 503 would have them try the same again
        return _response(507, [{"code": "UNAVAILABLE", "message": error.detail}], {})
    if isinstance(error, StoreFailure):
        return _response(503, [{"code": "UNAVAILABLE", "message": error.detail}], {"Retry-After": "1"})
    if isinstance(error, WrongDigest):
        return _response(400, [{"code": "DIGEST_INVALID", "message": error.detail}], {})
    code = next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), "BLOB_UPLOAD_INVALID")
    headers = {"WWW-Authenticate": 'Basic realm="DRaaS"'} if isinstance(error, Unauthenticated) else {}
    if isinstance(error, TooOften):
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    return _response(status_of(error), [{"code": code, "message": error.detail}], headers)


def _response(status: int, errors: Sequence[object], headers: Mapping[str, str]) -> Response:
    return Response(msgspec.json.encode({"errors": errors}), status, {**NO_STORE, **headers}, "application/json")
