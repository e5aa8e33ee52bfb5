"""Why a container did not start: by status, by the exit code the engine noted, and by what can be looked up."""

from draas.agent.runtimes.docker import container_body, images
from draas.agent.runtimes.docker.api import EngineApi, EngineError
from draas.agent.runtimes.runtime import RuntimeFailure
from draas.model.allocation import Cause
from draas.wire.link import Assignment


async def explain_start(api: EngineApi, assignment: Assignment, image: str, error: EngineError) -> RuntimeFailure:
    """The failure for what the engine answered to create or start; its message is only quoted."""
    said = f"the engine said: {error.message}"
    code = await _noted_exit_code(api, assignment)
    if code is None and error.status == 404:
        return RuntimeFailure(Cause.IMAGE, f"image {image!r} is not here any more: does something prune images? {said}")
    if code in (126, 127):
        words = container_body.render_command(assignment.command)[0]
        word = words[0] if words else "the image's own entry point"
        what = "is not in the image" if code == 127 else "cannot be executed in the image"
        remedy = "check the command's first word" + (", and which architecture it is built for" if code == 126 else "")
        return RuntimeFailure(Cause.EXIT, f"{word!r} {what} {image!r}: {remedy}; {said}")
    free = await images.free_disk_bytes(api)
    if free is not None and free < images.FULL_DISK_BYTES:
        return RuntimeFailure(Cause.DISK, f"{free >> 20} MiB are free on this node: remove images or files; {said}")
    return RuntimeFailure(Cause.RUNTIME, f"the container could not be started; {said}")


async def _noted_exit_code(api: EngineApi, assignment: Assignment) -> int | None:
    try:
        info = await api.call("GET", f"containers/{container_body.container_name(assignment.id)}/json")
    except EngineError:
        return None
    return int(info["State"]["ExitCode"])
