"""Problems: errors as RFC 9457 documents. The only place that knows which error is which HTTP status."""

import math
from http import HTTPStatus

import msgspec
from starlette.responses import Response

from draas.model.errors import (
    Conflict,
    DraasError,
    Fault,
    Forbidden,
    Invalid,
    NotFound,
    TooLarge,
    TooOften,
    Unauthenticated,
    Unavailable,
)
from draas.server.services.own_disk import NoRoom
from draas.store.store import StoreFailure

MEDIA_TYPE = "application/problem+json"


class WrongType(DraasError):
    """The body is not of a media type that the route takes."""


class TooSlow(DraasError):
    """The body did not arrive in time."""

    retryable = True


STATUS: dict[type[DraasError], int] = {
    Invalid: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    TooSlow: 408,
    Conflict: 409,
    TooLarge: 413,
    WrongType: 415,
    TooOften: 429,
    Unavailable: 503,
    NoRoom: 507,
}


def status_of(error: DraasError) -> int:
    """The HTTP status of an error or of what it is derived from; 500 for one that nobody thought of."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def render_problem(error: DraasError | StoreFailure) -> Response:
    """The answer that tells `error`."""
    if isinstance(error, StoreFailure):
        return problem(503, f"the controller cannot store or read now: {error.detail}")
    faults = error.faults if isinstance(error, Invalid) else ()
    answer = problem(status_of(error), error.detail, faults)
    if isinstance(error, TooOften):
        answer.headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    return answer


def problem(status: int, detail: str, faults: tuple[Fault, ...] = ()) -> Response:
    """A problem document. `type` is about:blank: the status says all there is to the kind of problem."""
    document: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail if not faults else f"{detail}: {_told(faults[0])}",
    }
    if status == 400:
        document["errors"] = [{"path": fault.path, "message": fault.message} for fault in faults]
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}.get(status)
    return Response(_encode(document), status, headers, MEDIA_TYPE)


def _told(fault: Fault) -> str:
    return f"{fault.path or 'the body'} {fault.message}"


def _encode(document: dict[str, object]) -> bytes:
    # A text that came in may hold what UTF-8 cannot say (a lone surrogate in a path): it is shown as "?".
    try:
        return msgspec.json.encode(document)
    except UnicodeEncodeError:
        return msgspec.json.encode(_plain(document))


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.encode(errors="replace").decode() if isinstance(value, str) else value
