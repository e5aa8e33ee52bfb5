"""One tree of what users can get wrong or run into. HTTP codes exist only in draas.server.api."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong field: `path` ("jobs[3].retries") and a message that names the remedy."""

    path: str
    message: str


class DraasError(Exception):
    """Anything DRaaS tells a user. `detail` is one sentence that names cause and remedy."""

    retryable = False

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Invalid(DraasError):
    """The request is wrong; `faults` says where."""

    def __init__(self, detail: str, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(detail)
        self.faults = faults


class NotFound(DraasError):
    """No such object, or none that this key may see."""


class Conflict(DraasError):
    """The object's state does not allow it."""


class Unauthenticated(DraasError):
    """No key, or one that is wrong, expired or revoked."""


class Forbidden(DraasError):
    """The key's role does not allow it."""


class TooOften(DraasError):
    """Somebody has failed too often. `retry_after_s`: until when it makes no sense to try again."""

    retryable = True

    def __init__(self, detail: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class Unavailable(DraasError):
    """The controller cannot do it now (no storage, not the leader, starting)."""

    retryable = True


class TooLarge(DraasError):
    """The request is larger than the stated limit."""
