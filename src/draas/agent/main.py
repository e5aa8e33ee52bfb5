"""The agent's composition root: runtimes, core, link, and the loops that measure."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from ssl import SSLContext
from typing import TYPE_CHECKING, Any

from draas.agent.config import AgentConfig
from draas.agent.core import events as e
from draas.agent.core.core import AgentCore
from draas.agent.core.images import Rules
from draas.agent.observe import machine
from draas.agent.observe.figures import Figures
from draas.agent.observe.network import Network
from draas.agent.runtimes.docker.image_ledger import ImageLedger
from draas.agent.runtimes.runtime import Runtime
from draas.agent.shell.dns import DnsServer, stop_dns
from draas.agent.shell.image_care import ImageCare, Room
from draas.agent.shell.journal import Journal
from draas.agent.shell.link import Link, Target
from draas.agent.shell.performer import Performer
from draas.ingress.dns import DnsSetup
from draas.lib import clock
from draas.lib.disk import Disk
from draas.lib.tasks import Tasks
from draas.model.image_name import image_key
from draas.model.job import RuntimeName
from draas.model.node import Facts, Image, Load, RuntimeInfo
from draas.model.route import Ingress
from draas.wire.link import LogChunk, Routes, Usages

if TYPE_CHECKING:
    from draas.ingress.runner import IngressRunner

TICK_S = 0.2  # how late a timeout or a lease is noticed
MEASURE_S = 2.0  # how often the use of replicas is measured
LOOK_S = 10.0  # how often runtimes and images are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerImages:
    """What the agent needs to make room for images: `folder` says where they are, where that can be seen."""

    room: Room
    ledger: ImageLedger
    folder: Callable[[], Awaitable[Path | None]]


class Agent:
    """One machine's agent. `run` returns only by cancellation, LinkRefused or a defect."""

    def __init__(
        self,
        config: AgentConfig,
        key: str,
        tls: SSLContext | None,
        runtimes: Mapping[RuntimeName, Runtime],
        docker: DockerImages | None = None,
    ) -> None:
        self._config = config
        self._runtimes = runtimes
        self._facts = Facts()
        self._load = Load()
        self._complete = False
        self._looked_at = 0.0
        self._target = Target(url=config.url, key=key, name=config.name, tls=tls)
        self._docker = docker
        self._network = Network()
        self._disks = [config.data_dir]  # those that hold these folders are measured
        self._dns = _dns_server(config)
        self.core = AgentCore()
        self.link: Link | None = None
        self._performer: Performer | None = None
        self._ingress = _ingress_runner(config, self._on_traffic)

    def figures(self) -> Figures:
        """What this agent says of itself to monitoring."""
        performer, capacity = self._performer, self._facts.capacity
        return Figures(
            linked=self.link is not None and self.link.is_linked,
            states=[local.observed.state for local in self.core.locals.values()],
            load=self._load,
            cpu_cores=capacity.cpu_millis / 1000,
            memory_bytes=capacity.memory_bytes,
            shipped_bytes=performer.shipped_bytes if performer is not None else 0,
            waiting_bytes=sum(one.waiting for one in performer.shipments.values()) if performer is not None else 0,
        )

    async def run(self) -> None:
        """Adopt what runs, connect, and go on until cancelled."""
        self._config.data_dir.mkdir(parents=True, exist_ok=True)
        journal = Journal(self._config.data_dir / "assignments.journal")
        async with Tasks("agent") as tasks:
            performer = self._performer = Performer(
                self.core, self._runtimes, journal, tasks, self._send_log, self._on_news
            )
            link = self.link = Link(
                self._target, performer, self._facts_now, lambda: self._load, lambda: self._complete
            )
            if self._dns is not None or self._ingress is not None:
                link.on_routes = self._on_routes
            care = self._image_care()
            if care is not None:
                link.on_keep = care.hear
            try:
                await self._look(performer)
                self._complete = await performer.adopt(self._away())
                tasks.spawn(self._tick(performer), "tick")
                tasks.spawn(self._look_often(performer), "look")
                tasks.spawn(self._measure_often(performer, link), "measure")
                if care is not None:
                    tasks.spawn(care.run(), "images")
                if self._dns is not None:
                    tasks.spawn(self._dns.run(), "dns")
                else:
                    await stop_dns(self._config.data_dir / "dns")
                if self._ingress is not None:
                    tasks.spawn(self._ingress.run(), "ingress")
                else:
                    await _stop_left_proxies(self._config.data_dir / "ingress")
                await self._until_refused(link, tasks)
            finally:
                await tasks.cancel()
                if self._ingress is not None:
                    await self._ingress.close()
                if self._dns is not None:
                    await self._dns.close()
                journal.close()
                for runtime in self._runtimes.values():
                    await runtime.close()

    async def _until_refused(self, link: Link, tasks: Tasks) -> None:
        """Be linked until the controller refuses it (an expected end, so outside `tasks`) or a task dies."""
        linking = asyncio.ensure_future(link.run())
        assert tasks.failed is not None
        ends: set[asyncio.Future[Any]] = {linking, tasks.failed}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if tasks.failed.done():
                raise tasks.failed.result()
            linking.result()
        finally:
            linking.cancel()
            await asyncio.gather(linking, return_exceptions=True)

    def _send_log(self, chunk: LogChunk) -> None:
        if self.link is not None:
            self.link.send_log(chunk)

    def _on_traffic(self) -> None:
        if self.link is not None and self._ingress is not None:
            self.link.send_traffic(self._ingress.traffic())

    def _on_routes(self, routes: Routes) -> None:
        if self._ingress is not None:
            self._ingress.take(routes)
        if self._dns is not None:
            self._dns.take(routes)

    def _facts_now(self) -> Facts:
        ingress = self._ingress.facts if self._ingress is not None else None
        if self._dns is not None:
            said = ingress or Ingress()
            missing = "; ".join(filter(None, (said.missing, self._dns.missing)))
            ingress = replace(said, dns=self._dns.answers_at, missing=missing)
        return replace(self._facts, ingress=ingress)

    def _on_news(self) -> None:
        if self.link is not None:
            self.link.on_news()

    async def _tick(self, performer: Performer) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            performer.feed(e.Ticked(mono=clock.monotonic()))
            await performer.renew()

    async def _look_often(self, performer: Performer) -> None:
        while True:
            await asyncio.sleep(min(LOOK_S, 1.0))
            self._load = Load() if self._config.isolated else machine.measure_load(self._disks, self._network)
            if clock.monotonic() - self._looked_at >= LOOK_S:
                await self._look(performer)

    async def _measure_often(self, performer: Performer, link: Link) -> None:
        while True:
            await asyncio.sleep(MEASURE_S)
            if usages := await performer.measure():
                link.send_usages(Usages(replicas=usages))

    def _away(self) -> set[RuntimeName]:
        """Runtimes that could not be used when they were looked at last."""
        return {info.name for info in self._facts.runtimes if not info.available}

    async def _look(self, performer: Performer) -> None:
        """See again what this machine has. Runtimes that were away are asked what they still hold."""
        self._looked_at = clock.monotonic()
        config = self._config
        infos: list[RuntimeInfo] = []
        images: list[Image] = []
        for runtime in self._runtimes.values():
            infos.append(await runtime.probe())
            with contextlib.suppress(OSError):
                images += await runtime.images() if infos[-1].available else ()
        if self._docker is not None:
            images = [replace(image, ours=image.id in self._docker.ledger.owned) for image in images]
            self._disks = [config.data_dir, *filter(None, [await self._docker.folder()])]
        gpus = self._facts.gpus or await machine.list_gpus()
        facts = Facts(
            arch=machine.architecture(),
            capacity=machine.capacity(config.cpus, config.memory_bytes, len(gpus)),
            gpus=gpus,
            roles=config.roles,
            labels=config.labels,
            runtimes=tuple(infos),
            images=tuple(images),
            address=config.address,
        )
        returned = {info.name for info in infos if info.available} - {
            info.name for info in self._facts.runtimes if info.available
        }
        before, self._facts = self._facts, facts
        if returned and before.runtimes:
            self._complete = await performer.adopt(self._away())
        self._load = Load() if config.isolated else machine.measure_load(self._disks, self._network)

    def _image_care(self) -> ImageCare | None:
        docker = self._docker
        if docker is None:
            return None

        def disk() -> Disk | None:
            return machine.fullest_disk(self._disks) if len(self._disks) > 1 else None

        rules = Rules(quota_bytes=self._config.image_quota_bytes)
        return ImageCare(room=docker.room, ledger=docker.ledger, wanted=self._wanted_images, disk=disk, rules=rules)

    def _wanted_images(self) -> set[str]:
        """What allocations here need: also those that only begin, or wait for their turn."""
        live = [local for local in self.core.locals.values() if not local.ended]
        named = {local.assignment.image or "" for local in live if local.assignment is not None}
        named |= {local.observed.image for local in live} | {self._config.default_image or ""}
        return {image_key(name) for name in named if name}


def _ingress_runner(config: AgentConfig, on_traffic: Callable[[], None]) -> "IngressRunner | None":
    if config.ingress is None:
        return None
    from draas.ingress.runner import IngressRunner  # with all it needs 8 MB, for those that have the role

    return IngressRunner(config.ingress, on_traffic)


async def _stop_left_proxies(folder: Path) -> None:
    """Of a role that this node had before."""
    if _is_there(folder):
        from draas.ingress.runner import stop_proxies

        await stop_proxies(folder)


def _is_there(folder: Path) -> bool:
    return folder.is_dir()


def _dns_server(config: AgentConfig) -> DnsServer | None:
    if "dns" not in config.roles:
        return None
    own = config.dns_address or "127.0.0.1"
    return DnsServer(DnsSetup(address=own, port=config.dns_port, forward=config.dns_forward), config.data_dir / "dns")
