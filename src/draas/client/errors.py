"""What can go wrong between here and the controller, and which exit code it means. Imports nothing heavy."""

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

DONE, FAILED, USAGE, UNREACHABLE = 0, 1, 2, 3


class CannotReach(DraasError):
    """No controller answers at the URL: name, port, firewall, or it is down."""

    retryable = True


class NotDraas(CannotReach):
    """Something answers, but it is no DRaaS controller."""

    retryable = False


class Untrusted(CannotReach):
    """The controller's certificate is not what was expected: perhaps someone is in between."""

    retryable = False


class ClockOff(CannotReach):
    """This machine's clock and the controller's differ too much."""

    retryable = False


_BY_STATUS: dict[int, type[DraasError]] = {
    400: Invalid,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    415: Invalid,
    422: Invalid,
    429: TooOften,
    503: Unavailable,
}


def exit_code(error: DraasError) -> int:
    """2 wrong usage, 3 cannot reach or not allowed, else 1."""
    if isinstance(error, CannotReach | Unauthenticated | Forbidden | TooOften | Unavailable):
        return UNREACHABLE
    return USAGE if isinstance(error, Invalid) else FAILED


def from_problem(status: int, document: object) -> DraasError:
    """The error that a problem document tells; any other document gives the bare status."""
    told = document if isinstance(document, dict) else {}
    detail = str(told.get("detail") or f"the controller answered {status}")
    kind = _BY_STATUS.get(status, DraasError)
    if kind is not Invalid:
        return kind(detail)
    errors = told.get("errors")
    found = [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
    return Invalid(detail, tuple(Fault(str(one.get("path", "")), str(one.get("message", ""))) for one in found))
