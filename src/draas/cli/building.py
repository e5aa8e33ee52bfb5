"""Building for an app: sent, queued, followed line by line, to the image; cancelled with Ctrl-C."""

import asyncio
import signal
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from draas.cli.follow import be_patient, say_to_person
from draas.cli.output import between, print_json, program, say, size
from draas.cli.prepare import INPUTS, Prepared
from draas.cli.printing import Printing, content_of
from draas.cli.program import INTERRUPTED
from draas.cli.running import FAILED
from draas.cli.stopping import stop_on_sigterm
from draas.cli.waiting import Waiting, show_wait

LAST_LINES = 30
CREATE_GRACE_S = 5.0  # how long an interrupted request for a build is waited for, so that the build can be cancelled
CANCEL_S = 10.0
GOES_ON = "the build goes on"


class NotBuilt(Exception):
    """There is no image; all is said. `code` is what the command ends with."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How much is said, and how."""

    as_json: bool
    quiet: bool

    @property
    def silent(self) -> bool:
        """Only what went wrong."""
        return self.as_json or self.quiet

    def say(self, text: str) -> None:
        """A line for people, where they want any."""
        if not self.silent:
            say(text)


async def build(client: Any, name: str, project: str, source: Prepared, form: Form) -> Any:
    """The build that made the image of `source` for the app `name`: a new one, or the newest where nothing has changed.

    Raises NotBuilt where it failed or was cancelled, DraasError.
    """
    if not source.options.force and (before := await _unchanged(client, name, project, source)) is not None:
        form.say(f"{name}: unchanged since build {before['id']}")
        return before
    form.say(f"{name}: {source.told}")
    if source.made:
        form.say("the Dockerfile that is made for it, and sent along:")
        form.say("\n".join(f"  {line}" for line in source.made.rstrip("\n").splitlines()))
    if source.file is not None:
        await _upload(client, f"{project}/{name}", source, form)
    return await _run(client, source.body(name), project, form)


async def _unchanged(client: Any, name: str, project: str, source: Prepared) -> Any | None:
    """The newest build that succeeded, where it was of the same source with the same options and secrets and its image is still there."""
    if not source.inputs:
        return None
    found = (await client.builds.list(name=name, state="succeeded", project=project, limit=1))["items"]
    same = [one for one in found if one["labels"].get(INPUTS) == source.inputs and one["image"]]
    if not same or not await client.has_image(same[0]["image"]):
        return None
    secrets = dict(source.options.secrets)
    return same[0] if not secrets or await client.builds.has_secrets(same[0]["id"], secrets) else None


async def _upload(client: Any, repository: str, source: Prepared, form: Form) -> None:
    waiting = Waiting(quiet=form.silent)
    be_patient(client, waiting, "the upload goes on where it was cut")
    waiting.show(f"sending {size(source.size_bytes)}")

    def progress(sent: int, total: int) -> None:
        waiting.show(f"sending {size(total)}: {100 * sent // max(1, total)} %")

    try:
        await client.builds.upload(repository, source.file, progress)
    finally:
        waiting.clear()
    form.say(f"sent {size(source.size_bytes)}")


async def _run(client: Any, body: Mapping[str, Any], project: str, form: Form) -> Any:
    """Create the build and follow it to its end."""
    creating = asyncio.ensure_future(client.builds.create(body, project=project))
    stopped = stop_on_sigterm()
    try:
        made = await asyncio.shield(creating)
        form.say(f"build {made['id']}")
        last = await follow_build(client, made["id"], form)
    except (asyncio.CancelledError, BrokenPipeError):
        await _cancel(client, creating, form)
        raise NotBuilt(128 + signal.SIGTERM if stopped else INTERRUPTED) from None
    built = await client.builds.get(made["id"])
    if built["state"] != "succeeded":
        await _tell_failure(client, built, last, form)
        raise NotBuilt(FAILED)
    took = between(built["started_at"], built["finished_at"])
    pushed = f", also as {', '.join(built['pushed'])}" if built["pushed"] else ""
    form.say(f"built in {took}: {built['platform']}, {size(built['size_bytes'])}{pushed}")
    return built


async def follow_build(client: Any, id: str, form: Form) -> deque[str]:
    """Copy the build's log to stderr until it has ended; what is not shown is returned, its last lines. Raises DraasError, BrokenPipeError."""
    printing, waiting = Printing(), Waiting(quiet=form.silent)
    be_patient(client, waiting, GOES_ON)
    last: deque[str] = deque(maxlen=LAST_LINES)
    watching = asyncio.ensure_future(_tell_wait(client, id, waiting, form))
    try:
        async for seen in client.builds.follow(id):
            if seen.line is not None and form.silent:
                last.append(content_of(seen.line).decode(errors="replace"))
            elif seen.line is not None:
                waiting.clear()
                printing.write({**seen.line, "stream": "stderr"})
        printing.flush()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        waiting.clear()
    return last


async def _tell_wait(client: Any, id: str, waiting: Waiting, form: Form) -> None:
    """What a build waits for: on a terminal as it changes, elsewhere each reason once."""
    told: set[str] = set()

    def show(text: str) -> None:
        if waiting.shown:
            waiting.show(text)
        elif text.startswith("queued: ") and text not in told:
            told.add(text)
            form.say(text)

    await show_wait(lambda: client.builds.get(id), lambda: client.builds.explain(id), show)
    waiting.clear()


async def _tell_failure(client: Any, built: Any, last: deque[str], form: Form) -> None:
    from draas.model.errors import DraasError

    if last:
        say(f"its last lines ({program()} builds logs {built['id']}):")
    for line in last:
        say(f"  {line}")
    attempt = built["attempts"][-1] if built["attempts"] else None
    detail = (attempt["detail"] if attempt is not None else "") or built["reason"]
    serves = ""
    try:
        app = await client.app(built["name"])
        if app["release"] is not None:
            serves = f"; release {app['release']} of {app['name']} serves on"
    except DraasError:
        pass  # there is none yet
    say(f"draas: build {built['id']} {built['state']}{': ' + detail if detail else ''}{serves}")
    if form.as_json:
        print_json(built)


async def _cancel(client: Any, creating: "asyncio.Future[Any]", form: Form) -> None:
    """Cancel the build that was, or is just being, asked for. What goes wrong is said; there is nothing more to do about it."""
    from draas.model.errors import Conflict, DraasError

    if (task := asyncio.current_task()) is not None:
        task.uncancel()
    client.transport.patience_s = CANCEL_S
    try:
        async with asyncio.timeout(CREATE_GRACE_S + CANCEL_S):
            made = await creating
            if not form.quiet:
                say_to_person(f"cancelling build {made['id']}; Ctrl-C again leaves at once")
            await client.builds.cancel(made["id"])
    except Conflict:
        return  # it has ended meanwhile
    except (DraasError, TimeoutError) as error:
        told = getattr(error, "detail", "the controller does not answer")
        id = creating.result()["id"] if creating.done() and creating.exception() is None else ""
        later = f"; later: {program()} builds cancel {id}" if id else ""
        say(f"draas: the build could not be cancelled: {told}{later}")
