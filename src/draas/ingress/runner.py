"""IngressRunner: keeps this machine's proxy serving the table, and tells what it sees."""

import asyncio
import grp
import os
import pwd
from collections.abc import Callable, Mapping
from pathlib import Path

from draas.ingress import saved as disk
from draas.ingress.activator import Activator
from draas.ingress.certificates import Kept, keep_certificates, stamps
from draas.ingress.checks import good_challenges
from draas.ingress.config import IngressConfig, ProxyName
from draas.ingress.folder import hasten_all
from draas.ingress.haproxy_proxy import HaproxyProxy, find_haproxy
from draas.ingress.names import Names
from draas.ingress.nginx_proxy import NginxProxy, find_nginx
from draas.ingress.ports import SPARE_HTTP, SPARE_HTTPS, USUAL_HTTP, USUAL_HTTPS, choose_port, has_ipv6
from draas.ingress.proxy import Proxy, ProxyTrouble, Seen
from draas.ingress.saved import Saved
from draas.ingress.serving import Listening, Serving
from draas.ingress.table import Table, admit, take
from draas.lib import log
from draas.lib.tasks import Tasks
from draas.lib.values import replace
from draas.model.allocation import AllocationId
from draas.model.route import AppRoute, Counters, Ingress
from draas.wire.link import Routes, Traffic

LOOK_S = 1.0
LOOK_WHILE_DRAINING_S = 0.2
AGAIN_S = 2.0  # a proxy that cannot be started is tried again so often
GET_ONE = "no proxy is installed: apt-get install haproxy (or your system's way), then start the agent again"


class IngressRunner:
    """`run` serves until it is cancelled; the proxy runs on. `on_traffic` is called when `traffic()` has something new to say."""

    def __init__(self, config: IngressConfig, on_traffic: Callable[[], None]) -> None:
        self._config = config
        self._on_traffic = on_traffic
        self._folder = config.folder
        self._table = Table()
        self._served: Mapping[str, AppRoute] = {}
        self._in_effect = 0  # generation
        self._faults: Mapping[str, str] = {}
        self._seen = Seen(apps={}, drained=frozenset())
        self._wake = asyncio.Event()
        self._names = Names()
        self._stamps: tuple[tuple[str, int], ...] = ()
        self._certificate_faults: Mapping[str, str] = {}
        self._told = ""
        self._activator: Activator | None = None
        self._proxy: Proxy | None = None
        self.facts = Ingress(missing="starting", address=config.advertise)

    def take(self, message: Routes) -> None:
        """What the controller wants from now on; older words are refused."""
        table = take(self._table, message)
        if table is None:
            log.warning("older routes are refused", order=(message.epoch, message.generation), taken=self._table.order)
            return
        self._table = table
        self._wake.set()

    def traffic(self) -> Traffic:
        """What is to be told now."""
        waiting = self._activator.waiting if self._activator is not None else {}
        return Traffic(
            generation=self._in_effect,
            apps={
                app: replace(self._seen.apps.get(app, Counters()), waiting=waiting.get(app, 0))
                for app in self._served.keys() | waiting.keys()
            },
            drained=sorted(self._drained()),
            faults=self._faults,
            waking=self._activator.waking() if self._activator is not None else (),
        )

    async def run(self) -> None:
        """Serve for ever. Raises only for a defect: trouble with the proxy is logged, told in `facts`, and tried again."""
        saved = disk.load(self._folder)
        name, program = find_proxy(self._config.proxy)
        if not program:
            missing = GET_ONE if self._config.proxy is None else f"{name} is not installed: apt-get install {name}"
            log.warning("no ingress here", reason=missing)
            self.facts = Ingress(missing=missing, address=self._config.advertise)
            return
        self._make_folder()
        proxy = self._proxy = make_proxy(name, program, self._folder / name)
        listening = await self._listening(saved, name, proxy)
        if listening is None:
            return
        if self._table == Table():  # nothing has come from the controller meanwhile
            self._table = Table(routes=saved.routes, challenges=saved.challenges, certificates=saved.certificates)
        self._served = saved.routes
        version = await proxy.version()
        group = grp.getgrnam(listening.user).gr_gid if listening.user else None
        async with Tasks("ingress") as tasks:
            self._activator = Activator(self._folder / name, tasks, self._on_held, group)
            self._activator.listen(saved.routes)
            self._activator.update(saved.routes)
            try:
                running = [
                    tasks.spawn(self._apply_always(proxy, listening, version), "apply"),
                    tasks.spawn(self._look_always(proxy), "look"),
                ]
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in running:
                    if task.done():
                        task.result()
            finally:
                self._activator.close()

    async def close(self) -> None:
        """End the proxy if it serves no app; else it runs on, as containers do."""
        if self._proxy is not None and not self._served:
            await self._proxy.stop()

    def _make_folder(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for folder in (self._folder, self._folder / "haproxy", self._folder / "nginx"):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o711)  # the proxy's own user reaches the sockets in it

    async def _listening(self, saved: Saved, name: str, proxy: Proxy) -> Listening | None:
        """Where to listen: where the proxy that runs already does, if that is still wanted."""
        config = self._config
        user = proxy_user(name)
        same = config.http_port in (None, saved.http_port) and config.https_port in (None, saved.https_port)
        if saved.proxy == name and saved.http_port and same and proxy.alive:
            log.info("the proxy runs already", proxy=name, http=saved.http_port, https=saved.https_port)
            ports = (saved.http_port, saved.https_port)
            await asyncio.to_thread(hasten_all, self._folder / name, name)
        else:
            await stop_proxies(self._folder)
            http = choose_port(config.http_port, USUAL_HTTP, SPARE_HTTP, config.address)
            https = choose_port(config.https_port, USUAL_HTTPS, SPARE_HTTPS, config.address)
            for told in filter(None, (http.told, https.told)):
                log.warning("ingress", reason=told)
            if not http.port or not https.port:
                reason = "; ".join(filter(None, (http.told, https.told)))
                self.facts = Ingress(
                    missing=f"{reason}: give others (--ingress-http, --ingress-https)", address=config.advertise
                )
                return None
            ports = (http.port, https.port)
        return Listening(http_port=ports[0], https_port=ports[1], address=config.address, ipv6=has_ipv6(), user=user)

    # --- applying ---

    async def _apply_always(self, proxy: Proxy, listening: Listening, version: str) -> None:
        while True:
            self._wake.clear()
            try:
                await self._apply(proxy, listening)
                self.facts = Ingress(
                    proxy=version,
                    http_port=listening.http_port,
                    https_port=listening.https_port,
                    address=self._config.advertise,
                    faults=self._faults,
                )
                self._told = ""
            except (ProxyTrouble, OSError) as trouble:
                self._tell(str(trouble))
                await asyncio.sleep(AGAIN_S)
                self._wake.set()
            await self._wake.wait()

    async def _apply(self, proxy: Proxy, listening: Listening) -> None:
        assert self._activator is not None
        table = self._table
        kept = self._keep_certificates(table)
        admitted = admit(await self._names.resolve(table.routes), self._served)
        self._activator.listen(admitted.routes)
        serving = Serving(
            listening=listening,
            routes=admitted.routes,
            challenges=good_challenges(dict(table.challenges)),
            certificates=kept.files,
        )
        applied = await proxy.apply(serving, self._served)
        self._served = applied.routes
        self._activator.update(applied.routes)
        self._in_effect = table.order[1]
        faults = {**applied.faults, **admitted.faults}
        for app in faults.keys() - self._faults.keys():
            log.warning("a route is not taken; what the app had before stays", app=app, reason=faults[app])
        self._faults = faults
        self._save(listening, table)
        self._seen = await proxy.look(self._served)
        self._on_traffic()

    def _keep_certificates(self, table: Table) -> Kept:
        self._stamps = stamps(self._config.certificates)
        name = "haproxy" if isinstance(self._proxy, HaproxyProxy) else "nginx"
        kept = keep_certificates(self._folder / name, table.certificates, self._config.certificates)
        for source in kept.faults.keys() - self._certificate_faults.keys():
            log.warning("a certificate is left out", certificate=source, reason=kept.faults[source])
        self._certificate_faults = kept.faults
        return kept

    def _save(self, listening: Listening, table: Table) -> None:
        name = "haproxy" if isinstance(self._proxy, HaproxyProxy) else "nginx"
        disk.save(
            self._folder,
            Saved(
                proxy=name,
                http_port=listening.http_port,
                https_port=listening.https_port,
                routes=self._served,
                challenges=table.challenges,
                certificates=table.certificates,
            ),
        )

    def _tell(self, reason: str) -> None:
        if reason != self._told:
            self._told = reason
            log.warning("the proxy is in trouble; trying again", reason=reason)

    # --- looking ---

    async def _look_always(self, proxy: Proxy) -> None:
        while True:
            draining = any(endpoint.draining for route in self._served.values() for endpoint in route.endpoints)
            wait_s = LOOK_WHILE_DRAINING_S if draining and self._leaving() - self._drained() else LOOK_S
            await asyncio.sleep(wait_s)
            if not proxy.alive:
                self.facts = Ingress(missing="the proxy ended; it is started again", address=self._config.advertise)
                self._wake.set()
                continue
            if stamps(self._config.certificates) != self._stamps:
                self._wake.set()
                continue
            before = self._drained()
            try:
                self._seen = await proxy.look(self._served)
            except ProxyTrouble as trouble:
                self._tell(str(trouble))
                continue
            if wait_s == LOOK_S or self._drained() != before:
                self._on_traffic()

    def _leaving(self) -> frozenset[AllocationId]:
        return frozenset(
            endpoint.id for route in self._served.values() for endpoint in route.endpoints if endpoint.draining
        )

    def _drained(self) -> frozenset[AllocationId]:
        """What neither the proxy nor the activator has anything under way for."""
        busy = self._activator.busy if self._activator is not None else {}
        return frozenset(id for id in self._seen.drained & self._leaving() if not busy.get(id))

    def _on_held(self) -> None:
        self._on_traffic()


def find_proxy(wanted: ProxyName | None) -> tuple[ProxyName, str | None]:
    """Which proxy to run, and where it is; None where it is not installed."""
    if wanted == "nginx":
        return "nginx", find_nginx()
    haproxy = find_haproxy()
    if haproxy is None and wanted is None and (nginx := find_nginx()) is not None:
        return "nginx", nginx
    return "haproxy", haproxy


def make_proxy(name: ProxyName, program: str, folder: Path) -> Proxy:
    """The proxy of this name."""
    return HaproxyProxy(program, folder) if name == "haproxy" else NginxProxy(program, folder)


async def stop_proxies(folder: Path) -> None:
    """End what runs from the ingress folder `folder`, whoever started it."""
    for name in ("haproxy", "nginx"):
        if (folder / name).is_dir():
            await make_proxy(name, name, folder / name).stop()


def proxy_user(name: str) -> str:
    """Whom the workers run as: the proxy's own user where we are root and it exists."""
    if os.geteuid() != 0:
        return ""
    user = "haproxy" if name == "haproxy" else "www-data"
    try:
        pwd.getpwnam(user)
        grp.getgrnam(user)
    except KeyError:
        return ""
    return user
