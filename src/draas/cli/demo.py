"""`draas demo`: as `up`, then a sample job, a sample app and where to look. Uses a controller that runs already, if there is one."""

from typing import Any

import click

from draas.cli.calling import call
from draas.cli.follow import follow
from draas.cli.options import agent_options
from draas.cli.output import program
from draas.cli.probing import is_controller
from draas.cli.run import exit_code_of, render_end
from draas.cli.running import FAILED, fail, run_until_stopped
from draas.cli.server import server_options
from draas.cli.up import be_up
from draas.model.job import SAMPLE_IMAGE

SAMPLE = """echo "Hello from $(hostname)!"
for n in 1 2 3; do sleep 1; echo "step $n of 3"; done
echo "errors come on stderr" >&2
echo "done"
"""

APP = "demo"
PAGE = "<!doctype html><title>DRaaS</title><h1>It works</h1><p>This page comes from replica $DRAAS_ALLOCATION_ID.</p>"
APP_BODY = {
    "image": SAMPLE_IMAGE,
    "command": f"mkdir -p /www && echo '{PAGE}' | sed s/.DRAAS_ALLOCATION_ID/$DRAAS_ALLOCATION_ID/ > /www/index.html"
    " && exec httpd -f -p 8000 -h /www",
    "port": 8000,
    "replicas": 2,
    "health": {"http": "/"},
    "resources": {"cpu_cores": 0.1, "memory_mb": 32},
    "deploy": {"healthy_after_s": 1},
}


@click.command()
@server_options
@agent_options
def demo(**given: Any) -> None:
    """As up, then run a sample job and a sample app and show where to look. Uses the controller of DRAAS_URL or config.toml where that runs."""
    import asyncio

    from draas.client.settings import load_settings
    from draas.model.errors import Invalid

    try:
        url = load_settings().url
    except Invalid as error:
        raise click.UsageError(error.detail) from None
    chosen = given.get("listen") or given.get("data_dir")
    if not chosen and asyncio.run(is_controller(url)):
        click.echo(f"Using the controller at {url}")
        raise SystemExit(call(_show))
    run_until_stopped(be_up(given, _show_beside), "controller and agent")


async def _show_beside(controller: Any, url: str) -> None:
    """The same with a key of its own, as this user's configuration may name another controller."""
    from draas.client.api import Client
    from draas.client.settings import Settings
    from draas.model.errors import DraasError
    from draas.server.access import make_key
    from draas.store.store import Write

    key, secret = make_key("deployer", name="draas demo", project=None, ttl_s=3600)
    await controller.loop.write(Write(keys=(key,)))
    fingerprint = controller.certificates.fingerprint if controller.certificates is not None else ""
    try:
        async with Client(Settings(url=url, key=secret, ca_fingerprint=fingerprint)) as client:
            await _show(client)
    except DraasError as error:
        click.echo(f"draas: the sample job could not be shown: {error.detail}", err=True)
    finally:
        await controller.loop.write(Write(gone_keys=(key.id,)))
    click.echo("\nCtrl-C stops controller and agent; what runs in containers runs on.")


async def _show(client: Any) -> int:
    runtime = runtime_for((await client.nodes())["items"])
    if runtime is None:
        fail(f"no machine can run a job now: {program()} nodes and {program()} doctor say why", FAILED)
    where = "in a container" if runtime == "docker" else "as a host process (there is no Docker Engine)"
    click.echo(f"\nA sample job, {where}:\n")
    job = await client.submit({"name": "demo", "command": SAMPLE, "runtime": runtime, "resources": {"cpu_cores": 0.1}})
    await follow(client, job["id"], quiet=False)
    ended = await client.job(job["id"])
    if told := render_end(ended):
        click.echo(told, err=True)
    code = exit_code_of(ended)
    if runtime == "docker":
        code = max(code, await _show_app(client))
    click.echo(render_pointers(job["id"], program(), client.transport.settings.url, app=runtime == "docker"))
    return code


async def _show_app(client: Any) -> int:
    from draas.cli.deploy import follow_newest

    click.echo("\nA sample app, two replicas of a small web server:\n")
    return await follow_newest(client, await client.put_app(APP, APP_BODY), as_json=False, quiet=False)


def runtime_for(nodes: list[Any]) -> str | None:
    """`docker` where a ready machine has it, else `process`, None where there is neither."""
    able = {
        runtime["name"]
        for node in nodes
        if node["state"] == "ready"
        for runtime in node["runtimes"]
        if runtime["available"]
    }
    return next((name for name in ("docker", "process") if name in able), None)


def render_pointers(id: str, called: str, url: str, *, app: bool) -> str:
    """Where to look; `app`: also at the sample app."""
    lines = [
        (f"{called} jobs", "all jobs"),
        (f"{called} logs {id}", "this one's output, kept"),
        (f"{called} jobs show {id}", "its attempts, memory and CPU"),
        (f"{called} explain {id}", "why it ran there"),
        *(((f"{called} apps show {APP}", "the app; take it away: " + f"{called} apps rm {APP}"),) if app else ()),
        (f"{called} nodes", "the machines; one more: " + f"{called} nodes token"),
        (f"{called} run -- echo hello", "a job of your own"),
        (f"{url}/docs", "the API"),
    ]
    width = max(len(command) for command, _ in lines)
    return "\nWhere to look:\n" + "\n".join(f"  {command.ljust(width)}  {what}" for command, what in lines)
