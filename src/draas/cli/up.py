"""`draas up`: a controller and an agent on this machine, as two processes; the second is restarted when it dies."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from dataclasses import replace
from typing import Any

import click

from draas.cli.options import agent_options, first, node_name, read_file
from draas.cli.output import cores, program, say, size
from draas.cli.parent import PARENT
from draas.cli.probing import sandbox_of
from draas.cli.running import run_until_stopped
from draas.cli.server import announce, answering, server_config, server_options

AGENT_AGAIN_S = 1.0
READY_S = 30.0  # looking at the engine and loading the sample image on a slow disk
LOOK_S = 0.1

# Told of the controller (draas.server.main.Running) and its URL for this machine, once the node is ready.
Then = Callable[[Any, str], Awaitable[None]]


@click.command()
@server_options
@agent_options
def up(**given: Any) -> None:
    """Set up what is missing, then run a controller and an agent on this machine. Ctrl-C stops both; containers run on."""
    run_until_stopped(be_up(given), "controller and agent")


async def be_up(given: dict[str, Any], then: Then | None = None) -> None:
    """Until cancelled; done at once where it runs already."""
    from draas.cli.engine_setup import ensure_engine
    from draas.cli.folder import ensure_folder
    from draas.cli.proxy_setup import ensure_proxy
    from draas.model.job import RuntimeName
    from draas.server.main import running_controller

    config = server_config(given)
    if (url := await answering(config)) is not None:
        link = f"a link to its dashboard: {program()} dashboard"
        click.echo(f"DRaaS runs already at {url}; {link}; another one beside it: --listen and --data-dir")
        return
    ensure_folder(config.data_dir)
    outcome = await ensure_engine(say)
    if "ingress" in roles_of(given):
        await ensure_proxy(given.get("proxy"), say)
    given = {**given, "allow_host_jobs": await host_jobs(given, config, has_engine=outcome.answers)}
    if not outcome.answers:
        config = replace(config, runtime_without_nodes=RuntimeName.PROCESS)
    async with running_controller(config) as controller:
        announce(controller, config)
        remember(controller)
        url = local_url(controller.url, config)
        await show_dashboard(controller, url, is_open=config.is_open)
        variables = {
            "DRAAS_URL": url,
            "DRAAS_JOIN_TOKEN": await local_token(controller),
            "DRAAS_DATA_DIR": str(config.data_dir.parent),
            "DRAAS_LOG_LEVEL": os.environ.get("DRAAS_LOG_LEVEL", "warning"),
        }
        agent = keep_agent(agent_arguments(given), variables)
        greeting = greet(controller, node_name(given.get("name")), url, then)
        await run_beside(controller.ended, agent, greeting)


async def host_jobs(given: Mapping[str, Any], config: Any, *, has_engine: bool) -> str | None:
    """How jobs may run outside containers on this machine: as its owner says, else only where nothing else could run.

    Without a sandbox only where nobody but this machine's own users reach the controller.
    """
    from draas.lib.addresses import is_loopback

    chosen = given.get("allow_host_jobs") or os.environ.get("DRAAS_ALLOW_HOST_JOBS")
    if chosen or has_engine:
        return chosen
    trouble, _ = await sandbox_of()
    if not trouble or not is_loopback(config.host):
        return "sandboxed"
    say(f"host jobs run without a sandbox, with the rights of this user: {trouble.partition(', or allow')[0]}")
    return "plain"


async def run_beside(ended: asyncio.Future[BaseException], *works: Coroutine[Any, Any, None]) -> None:
    """Run `works` until the first of them fails or all have ended, or raise what ended the controller."""
    tasks = [asyncio.ensure_future(work) for work in works]
    together = asyncio.gather(*tasks)
    waited: Collection[asyncio.Future[Any]] = (together, ended)
    try:
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            raise ended.result()
        together.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(together, return_exceptions=True)


async def greet(controller: Any, name: str, url: str, then: Then | None) -> None:
    """Say what this machine can run as soon as its agent is there, and what to type next; then `then`."""
    node = await ready_node(controller, name)
    if node is None:
        say(f"this machine's agent is not there after {READY_S:.0f} s; its messages are above")
        return
    click.echo(render_node(node))
    if then is None:
        click.echo(f"In another terminal: {program()} run -- echo 'Hello from the cloud!'")
        click.echo("Ctrl-C stops controller and agent; what runs in containers runs on.")
    else:
        await then(controller, url)


async def ready_node(controller: Any, name: str) -> Any:
    """The node of this name once it is ready and has said what it can run; None where that takes too long."""
    loop = asyncio.get_running_loop()
    until = loop.time() + READY_S
    while loop.time() < until:
        for node in await controller.loop.nodes():
            if node.name == name and node.state == "ready" and node.facts.runtimes:
                return node
        await asyncio.sleep(LOOK_S)
    return None


def render_node(node: Any) -> str:
    """`Node vm is ready: 2 cores, 24 GiB; runs containers (Docker Engine 20.10).`"""
    words = {
        "docker": "containers (Docker Engine {0.version})",
        "process": "host jobs ({0.isolation})",
        "build": "builds ({0.version})",
    }
    able = [words[str(runtime.name)].format(runtime) for runtime in node.facts.runtimes if runtime.available]
    capacity = node.facts.capacity
    amount = f"{cores(capacity.cpu_millis / 1000)}, {size(capacity.memory_bytes)}"
    return f"Node {node.name} is ready: {amount}; runs {' and '.join(able) if able else 'nothing, see draas doctor'}."


def local_url(url: str, config: Any) -> str:
    """The controller's address for what runs beside it."""
    if config.host in ("0.0.0.0", "::"):
        return f"{url.split('://')[0]}://127.0.0.1:{url.rsplit(':', 1)[1]}"
    return url


async def show_dashboard(controller: Any, url: str, *, is_open: bool) -> None:
    """Say where the dashboard is, with a link that signs in once."""
    from draas.server.sessions import make_sign_in_link
    from draas.server.web.routes import is_built

    if not is_built():
        say("no dashboard in this tree: ./draas up builds it, or python web/build.py")
    elif is_open:
        click.echo(f"Dashboard: {url}/dashboard")
    elif (link := await make_sign_in_link(controller.loop, url)) is not None:
        click.echo(f"Dashboard: {link}\n  (signs in once, within 10 minutes; another link: {program()} dashboard)")


async def local_token(controller: Any) -> str:
    """A join token for the agent beside the controller; it needs it the first time only."""
    from draas.lib import clock, ids
    from draas.store.store import Token, Write
    from draas.wire.join import join_token

    secret = ids.secret("join")
    token = Token(digest=ids.digest(secret), expires_at=clock.now() + 600)
    await controller.loop.write(Write(tokens=(token,)))
    return join_token(secret, controller.certificates.fingerprint if controller.certificates else "")


def remember(controller: Any) -> None:
    """Let this user's commands find the controller: its address and key go to ~/.config/draas/config.toml.

    The key of another controller that stands there is kept beside it. Raises Invalid where the file is damaged.
    """
    from draas.client.settings import Settings, config_path, read_config, save_config
    from draas.lib import ids

    path = config_path(os.environ)
    stored = read_config(path)
    key = controller.admin_key
    if key is None and "key" in stored and controller.loop.key(ids.digest(stored["key"])) is not None:
        key = stored["key"]  # ours, from an earlier start, perhaps at another address
    if key is None:
        if not os.environ.get("DRAAS_KEY"):
            say(f"no key of this controller in {path}: set DRAAS_KEY to the one that its first start printed")
        return
    fingerprint = controller.certificates.fingerprint if controller.certificates is not None else ""
    if stored == {
        "url": controller.url,
        "key": key,
        **({"ca_fingerprint": fingerprint} if fingerprint else {}),
    }:
        return
    if stored.get("key", key) != key:
        before = path.with_name(f"{path.name}.before")
        os.replace(path, before)
        say(f"{path} was for {stored.get('url', 'another controller')}: kept as {before}")
    save_config(path, Settings(url=controller.url, key=key, ca_fingerprint=fingerprint))
    click.echo(f"Saved for your commands in {path}")


def agent_arguments(given: Mapping[str, Any]) -> list[str]:
    """The agent's flags again, for its own process."""
    flags = {"name": "--name", "cpus": "--cpus", "memory_mb": "--memory-mb", "proxy": "--proxy"}
    flags |= {"dns_port": "--dns-port", "dns_forward": "--dns-forward"}
    flags |= {f"ingress_{kind}": f"--ingress-{kind}" for kind in ("http", "https", "certificates")}
    words = [f"--role={','.join(roles_of(given))}"]
    words += [f"{flag}={given[name]}" for name, flag in flags.items() if given.get(name) is not None]
    if given.get("allow_host_jobs"):
        words.append(f"--allow-host-jobs={given['allow_host_jobs']}")
    return [*words, *(f"--label={label}" for label in given.get("label") or ())]


def roles_of(given: Mapping[str, Any]) -> list[str]:
    """As the flag or the agent's file says; a machine that is all of a cluster is its ingress, too."""
    return str(first(given.get("role"), read_file("agent", None).get("role"), "worker,builder,ingress")).split(",")


async def keep_agent(arguments: list[str], variables: Mapping[str, str]) -> None:
    """Run the agent's process, again whenever it dies. Raises Invalid where it refuses its arguments."""
    from draas.model.errors import Invalid

    environment = {**os.environ, **variables, PARENT: str(os.getpid())}
    while True:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "draas", "agent", *arguments, env=environment, start_new_session=True
        )
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            process.terminate()
            await process.wait()
            raise
        if code == 2:
            raise Invalid("the agent did not start: its message is above")
        say(f"draas: the agent ended with code {code}; starting it again")
        await asyncio.sleep(AGENT_AGAIN_S)
