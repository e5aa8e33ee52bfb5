"""From an AgentConfig to a running agent: identity, runtimes, sample image."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

from draas.agent.config import AgentConfig
from draas.agent.identity import Identity, ensure_identity
from draas.agent.images.cluster_images import ClusterImages
from draas.agent.images.upstream import Controller
from draas.agent.main import Agent, DockerImages
from draas.agent.observe.figures import Figures
from draas.agent.runtimes.build.build_runtime import BuildRuntime
from draas.agent.runtimes.docker.api import EngineAway, EngineError, is_local
from draas.agent.runtimes.docker.image_ledger import ImageLedger
from draas.agent.runtimes.docker.own_address import address_towards, is_own
from draas.agent.runtimes.docker.runtime import DockerRuntime
from draas.agent.runtimes.docker.sample_image import DEFAULT_SAMPLE_IMAGE, load_sample_image
from draas.agent.runtimes.process.host_runtime import HostRuntime
from draas.agent.runtimes.process.protocol import ContainerLease
from draas.agent.runtimes.runtime import Runtime
from draas.agent.shell.link import LinkRefused
from draas.lib import log
from draas.model.errors import Unauthenticated
from draas.model.job import RuntimeName


class Shown:
    """Whose figures are shown: none before the machine has joined, and another agent's where it joins again."""

    agent: Agent | None = None

    def figures(self) -> Figures:
        """The present agent's."""
        return self.agent.figures() if self.agent is not None else Figures()


async def run_agent(config: AgentConfig) -> None:
    """Be this machine's agent until cancelled.

    Where the controller refuses the identity that there is, and a join token was given, it joins again.
    Raises DraasError where it cannot join (LinkRefused: the controller does not want it),
    Invalid where health and metrics cannot be served as asked.
    """
    if config.health is None:
        await _run(config, Shown())
        return
    from draas.agent.shell.health_page import (
        health_page,  # what it imports costs memory that most agents need not spend
    )

    shown = Shown()
    config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with health_page(config.health, config.data_dir, shown.figures):
        await _run(config, shown)


async def _run(config: AgentConfig, shown: Shown) -> None:
    try:
        await _run_as(await ensure_identity(config), config, shown)
    except LinkRefused as refused:
        if config.token is None or not refused.key_refused:
            raise
        log.warning("joining again", reason=str(refused))
        try:
            anew = await ensure_identity(config, anew=True)
        except Unauthenticated:  # the token is that of the first join: what matters is why it has to join again
            raise refused from None
        await _run_as(anew, config, shown)


async def _run_as(identity: Identity, config: AgentConfig, shown: Shown) -> None:
    config.data_dir.mkdir(parents=True, exist_ok=True)
    towards = _address_towards(identity.url)
    config = replace(config, address=config.address or towards)
    if config.ingress is not None:
        config = replace(config, ingress=replace(config.ingress, advertise=config.address))
    config = replace(config, dns_address=config.address if is_own(config.address) else towards)
    host = HostRuntime(config.data_dir / "host", "plain" if config.host_jobs == "plain" else "sandboxed")
    controller = Controller(url=identity.url, key=identity.key, tls=identity.tls)
    cluster = ClusterImages(config.data_dir / "images", controller) if is_local(config.docker_host) else None
    ledger = ImageLedger(config.data_dir / "images.json")
    docker = DockerRuntime(
        ledger=ledger,
        owner=identity.owner,
        default_image=config.default_image or DEFAULT_SAMPLE_IMAGE,
        url=config.docker_host,
        address=config.address,
        watchdog=partial(watch_containers, host, _socket_path(config.docker_host)),
        cluster=cluster,
    )
    runtimes: dict[RuntimeName, Runtime] = {RuntimeName.DOCKER: docker}
    if config.host_jobs != "off":
        runtimes[RuntimeName.PROCESS] = host
    if cluster is not None and "builder" in config.roles:
        runtimes[RuntimeName.BUILD] = BuildRuntime(
            config.data_dir / "builds", api=docker.api, images=cluster, owner=identity.owner
        )
    try:
        await _ready_image(docker, config)
        images = DockerImages(room=docker.room, ledger=ledger, folder=docker.image_folder)
        shown.agent = Agent(replace(config, url=identity.url), identity.key, identity.tls, runtimes, images)
        await shown.agent.run()
    finally:
        if cluster is not None:
            await cluster.close()


async def watch_containers(host: HostRuntime, socket: str, deadlines: Mapping[str, float]) -> None:
    """Have the supervisor, which outlives the agent, end exclusive containers whose lease nobody renews."""
    leases = {name: ContainerLease(until=until, socket=socket, container=name) for name, until in deadlines.items()}
    await host.link.watch_containers(leases)


def _address_towards(url: str) -> str:
    """Where other machines reach this one, unless its owner said so: the address that leads to the controller."""
    parts = urlsplit(url)
    return address_towards(parts.hostname or "", parts.port or 443)


def _socket_path(docker_host: str | None) -> str:
    return (docker_host or "unix:///var/run/docker.sock").removeprefix("unix://")


async def _ready_image(docker: DockerRuntime, config: AgentConfig) -> None:
    """Have the sample image here, so that a job without an image runs also where none can be pulled."""
    info = await docker.probe()
    if not info.available:
        say = log.warning if config.host_jobs == "off" else log.info  # a machine for host jobs need not have an engine
        say("containers cannot run here", reason=info.missing)
        return
    if config.default_image is not None or any(DEFAULT_SAMPLE_IMAGE in image.tags for image in await docker.images()):
        return
    try:
        await load_sample_image(docker.api)
    except (FileNotFoundError, EngineAway, EngineError) as error:
        log.warning("no sample image: a job without an image will fail here", reason=str(error))
