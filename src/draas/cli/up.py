"""`draas up`: a controller and an agent on this machine, as two processes; the second is restarted when it dies."""

import asyncio
import os
import sys
from collections.abc import Collection, Coroutine, Mapping
from typing import Any

import click

from draas.cli.options import agent_options
from draas.cli.running import run_until_stopped
from draas.cli.server import announce, server_config, server_options

AGENT_AGAIN_S = 1.0


@click.command()
@server_options
@agent_options
def up(**given: Any) -> None:
    """Set up what is missing, then run a controller and an agent on this machine. Ctrl-C stops both; containers run on."""
    run_until_stopped(be_up(given))


async def be_up(given: dict[str, Any]) -> None:
    """Until cancelled."""
    from draas.cli.engine_setup import ensure_engine
    from draas.server.main import running_controller

    await ensure_engine(lambda line: click.echo(line, err=True))
    config = server_config(given)
    async with running_controller(config) as controller:
        announce(controller, config)
        if controller.admin_key is not None:
            remember_key(controller.url, controller.admin_key, controller.certificates)
        variables = {
            "DRAAS_URL": local_url(controller.url, config),
            "DRAAS_JOIN_TOKEN": await local_token(controller),
            "DRAAS_DATA_DIR": str(config.data_dir.parent),
        }
        await run_beside(controller.ended, keep_agent(agent_arguments(given), variables))


async def run_beside(controller_ended: asyncio.Future[BaseException], agent: Coroutine[Any, Any, None]) -> None:
    """Run `agent` until it ends, or raise what ended the controller."""
    keeping: asyncio.Task[None] = asyncio.create_task(agent, name="up:agent")
    ending: Collection[asyncio.Future[Any]] = (keeping, controller_ended)
    try:
        await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
        if controller_ended.done():
            raise controller_ended.result()
        keeping.result()
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


def local_url(url: str, config: Any) -> str:
    """The controller's address for the agent beside it."""
    if config.host in ("0.0.0.0", "::"):
        return f"{url.split('://')[0]}://127.0.0.1:{url.rsplit(':', 1)[1]}"
    return url


async def local_token(controller: Any) -> str:
    """A join token for the agent beside the controller; it needs it the first time only."""
    from draas.lib import clock, ids
    from draas.store.store import JoinToken, Write
    from draas.wire.join import join_token

    secret = ids.secret("join")
    token = JoinToken(digest=ids.digest(secret), expires_at=clock.now() + 600)
    await controller.loop.write(Write(tokens=(token,)))
    return join_token(secret, controller.certificates.fingerprint if controller.certificates else "")


def remember_key(url: str, key: str, certificates: Any) -> None:
    """Let the commands of this user find the controller: its address and key go to ~/.config/draas/config.toml."""
    from draas.client.settings import Settings, config_path, save_config

    path = config_path(os.environ)
    fingerprint = certificates.fingerprint if certificates is not None else ""
    save_config(path, Settings(url=url, key=key, ca_fingerprint=fingerprint))
    click.echo(f"Saved for your commands in {path}")


def agent_arguments(given: Mapping[str, Any]) -> list[str]:
    """The agent's flags again, for its own process."""
    flags = {"name": "--name", "role": "--role", "cpus": "--cpus", "memory_mb": "--memory-mb"}
    words = [f"{flag}={given[name]}" for name, flag in flags.items() if given.get(name) is not None]
    if given.get("allow_host_jobs"):
        words.append(f"--allow-host-jobs={given['allow_host_jobs']}")
    return [*words, *(f"--label={label}" for label in given.get("label") or ())]


async def keep_agent(arguments: list[str], variables: Mapping[str, str]) -> None:
    """Run the agent's process, again whenever it dies. Ends where it refuses to start (wrong usage)."""
    while True:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "draas", "agent", *arguments, env={**os.environ, **variables}, start_new_session=True
        )
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            process.terminate()
            await process.wait()
            raise
        if code == 2:
            raise SystemExit(2)
        click.echo(f"draas: the agent ended with code {code}; starting it again", err=True)
        await asyncio.sleep(AGENT_AGAIN_S)
