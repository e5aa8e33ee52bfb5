"""SIGTERM of a command that waits."""

import asyncio
import contextlib
import signal


def stop_on_sigterm() -> list[None]:
    """Have SIGTERM do what Ctrl-C does; what is returned is not empty once it has come."""
    task, came = asyncio.current_task(), list[None]()

    def stop() -> None:
        came.append(None)
        if task is not None:
            task.cancel()

    with contextlib.suppress(
        NotImplementedError, RuntimeError, ValueError
    ):  # not in the main thread, or not on this system
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    return came
