"""How a build fails: the cause, and a sentence that says what happened and what to do."""

from draas.model.allocation import Cause

EXIT_FAILED, EXIT_KILLED, EXIT_STOPPED = 1, 137, 143  # the last two as shells say KILL and TERM


class BuildFailed(Exception):
    """An expected end of a build without an image."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail


class Stopped(BuildFailed):
    """Told to end: by its user, its time-out, or because its node needs to."""

    def __init__(self) -> None:
        super().__init__(Cause.CANCELLED, "the build was stopped")
