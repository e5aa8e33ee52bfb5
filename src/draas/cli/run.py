"""`draas run`: submit a job, show its output as it is written, end with its exit code."""

import asyncio
import signal
from typing import Any

import click

from draas.cli.calling import call, calling_options
from draas.cli.follow import be_patient, follow, say_to_person
from draas.cli.job_body import FLAGS, job_body, job_options
from draas.cli.output import print_json, program, say
from draas.cli.program import BROKEN_PIPE, INTERRUPTED
from draas.cli.stopping import stop_on_sigterm
from draas.cli.waiting import Waiting

SUBMIT_GRACE_S = 5.0  # how long an interrupted submission is waited for, so that its job can be cancelled
CANCEL_S = 10.0


@click.command(context_settings={"allow_interspersed_args": False})
@job_options
@click.option("--detach", "-d", is_flag=True, help="Print the id and return.")
@calling_options
@click.argument("command", nargs=-1, required=True)
def run(command: tuple[str, ...], detach: bool, as_json: bool, quiet: bool, project: str | None, **given: Any) -> None:
    """Run COMMAND somewhere and follow its output; ends with its exit code.

    One word is run by `sh -c`, several as they are: draas run -- 'ls | wc -l'; draas run -- ls -l /

    The first Ctrl-C cancels the job and exits with 130, a second one leaves at once. When the connection is lost the job goes on,
    and so does this command as soon as the controller is back.
    """
    body = job_body(command, given)
    raise SystemExit(call(lambda client: _run(client, body, project, detach, as_json, quiet), FLAGS))


async def _run(client: Any, body: dict[str, Any], project: str | None, detach: bool, as_json: bool, quiet: bool) -> int:
    submitting = asyncio.ensure_future(client.submit(body, project))
    stopped = stop_on_sigterm()
    try:
        job = await asyncio.shield(submitting)
        if detach:
            print_json(job) if as_json else click.echo(job["id"])
            return 0
        if not quiet:
            say_to_person(f"job {job['id']}")
        return await _to_the_end(client, job["id"], as_json, quiet)
    except asyncio.CancelledError:
        await _cancel(client, submitting, quiet)
        return 128 + signal.SIGTERM if stopped else INTERRUPTED
    except BrokenPipeError:
        await _cancel(client, submitting, quiet)
        return BROKEN_PIPE


async def _to_the_end(client: Any, id: str, as_json: bool, quiet: bool) -> int:
    if as_json:
        be_patient(client, Waiting(quiet=True))
        async for seen in client.follow(id):
            if seen.line is not None and not quiet:
                print_json(seen.line)
    else:
        await follow(client, id, quiet=quiet)
    ended = await client.job(id)
    if as_json:
        print_json(ended)
    elif told := render_end(ended):
        say_to_person(told) if quiet or ended["cause"] == "exit" else say(told)
    return exit_code_of(ended)


async def _cancel(client: Any, submitting: "asyncio.Future[Any]", quiet: bool) -> None:
    """Cancel the job that was, or is just being, submitted. What goes wrong is said; there is nothing more to do about it."""
    from draas.model.errors import Conflict, DraasError

    if (task := asyncio.current_task()) is not None:
        task.uncancel()
    client.transport.patience_s = CANCEL_S
    try:
        async with asyncio.timeout(SUBMIT_GRACE_S + CANCEL_S):
            job = await submitting
            if not quiet:
                say_to_person(f"cancelling job {job['id']}; Ctrl-C again leaves at once")
            await client.cancel(job["id"])
    except Conflict:
        return  # it has ended meanwhile
    except (DraasError, TimeoutError) as error:
        told = getattr(error, "detail", "the controller does not answer")
        id = submitting.result()["id"] if submitting.done() and submitting.exception() is None else ""
        say(f"draas: the job could not be cancelled: {told}" + (f"; later: {program()} jobs cancel {id}" if id else ""))


def render_end(job: Any) -> str:
    """One line on how it ended, nothing where that is simply well."""
    if job["state"] == "succeeded":
        return ""
    last = job["attempts"][-1] if job["attempts"] else None
    detail = (last["detail"] if last is not None else "") or job["reason"]
    return f"job {job['id']} {job['state']}{': ' + detail if detail and detail != job['state'] else ''}"


def exit_code_of(job: Any) -> int:
    """The exit code of the job's last attempt, 1 where it has none and did not succeed."""
    if job["state"] == "succeeded":
        return 0
    return job["exit_code"] or 1
