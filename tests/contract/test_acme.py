"""Certificates from an ACME authority: the real Pebble, which fetches each challenge from where its DNS says the host is."""

import asyncio
import ssl
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509

from draas.ingress.config import IngressConfig
from draas.ingress.runner import IngressRunner, stop_proxies
from draas.lib import clock
from draas.lib.tasks import Tasks
from draas.model.app import App, AppId
from draas.model.certificate import Certificate, Source
from draas.model.job import ProjectName
from draas.model.node import Facts
from draas.model.policy import Policy
from draas.model.route import Counters, Ingress
from draas.server.acme.client import AcmeClient, AcmeTrouble
from draas.server.acme.jws import ensure_account_key
from draas.server.loops.control import ControlLoop
from draas.server.loops.domains import Domains
from draas.server.loops.renewals import Renewals
from draas.server.services.certificates import check_certificate
from draas.server.services.kept_certificates import pem_of
from draas.store.memory import Medium, MemoryStore
from draas.testing.app_world import an_app_spec
from draas.testing.certificates import TestAuthority
from draas.testing.fake_logs import FakeLogs
from draas.testing.pebble import Pebble, free_port, pebble
from draas.testing.waiting import until
from draas.wire.link import Assign, Routes, Traffic

pytestmark = pytest.mark.needs("pebble")
HOST = "shop.example.org"
NODE = "n-ingress"


class Challenges:
    """What an ingress answers under /.well-known/acme-challenge/, on a port of loopback."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.asked: list[str] = []

    @asynccontextmanager
    async def serving(self, port: int) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_get("/.well-known/acme-challenge/{token}", self._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.host.partition(":")[0])
        answer = self.answers.get(request.match_info["token"])
        return web.Response(text=answer) if answer is not None else web.Response(status=404)

    async def show(self, challenges: dict[str, str]) -> None:
        self.answers = dict(challenges)


@pytest.fixture
async def authority(tmp_path: Path) -> AsyncIterator[Pebble]:
    async with pebble(tmp_path) as started:
        started.dns.names[HOST] = "127.0.0.1"
        yield started


@asynccontextmanager
async def a_client(authority: Pebble, folder: Path) -> AsyncIterator[AcmeClient]:
    key = ensure_account_key(folder / "acme" / "account.pem")
    client = AcmeClient(authority.directory, "you@example.org", key, tls=authority.tls)
    try:
        yield client
    finally:
        await client.close()


async def test_a_certificate_is_got_again_and_again_by_one_account(authority: Pebble, tmp_path: Path) -> None:
    ingress = Challenges()
    async with ingress.serving(authority.http_port), a_client(authority, tmp_path) as client:
        accounts, keys = set(), set()
        for _ in range(3):  # one nonce in five is refused
            chain, key = await client.obtain(HOST, ingress.show)
            keys.add(key)
            accounts.add(client._account)
            leaf, issuer, *_ = x509.load_pem_x509_certificates(chain.encode())
            leaf.verify_directly_issued_by(issuer)
        assert len(keys) == 3
        assert HOST in ingress.asked
    async with a_client(authority, tmp_path) as again, ingress.serving(authority.http_port):
        await again.obtain(HOST, ingress.show)
        accounts.add(again._account)
    assert len(accounts) == 1
    assert stat.S_IMODE((tmp_path / "acme" / "account.pem").stat().st_mode) == 0o600


async def test_what_the_authority_says_is_told(authority: Pebble, tmp_path: Path) -> None:
    async def show_nothing(_challenges: object) -> None:
        return None

    async with Challenges().serving(authority.http_port), a_client(authority, tmp_path) as client:
        with pytest.raises(AcmeTrouble, match=r"\(unauthorized\)"):
            await client.obtain(HOST, show_nothing)
        with pytest.raises(AcmeTrouble):
            await client.obtain("elsewhere.example.org", show_nothing)


async def test_an_authority_that_is_away_or_none_is_told(tmp_path: Path) -> None:
    async def show(_challenges: object) -> None:
        raise AssertionError

    key = ensure_account_key(tmp_path / "account.pem")
    client = AcmeClient("https://127.0.0.1:9/dir", "you@example.org", key)
    with pytest.raises(AcmeTrouble, match="cannot be reached"):
        await client.obtain(HOST, show)
    await client.close()


class World:
    """A control loop with an ingress without a machine, which answers what it is sent, and the loops over it."""

    def __init__(self, loop: ControlLoop, client: AcmeClient, addresses: dict[str, tuple[str, ...] | None]) -> None:
        self.loop = loop
        self.ingress = Challenges()
        self.shown: dict[str, str] = {}
        self.addresses = addresses
        self.domains = Domains(loop, self._resolve)
        self.renewals = Renewals(loop, self.domains, client)

    async def _resolve(self, host: str) -> tuple[str, ...] | None:
        return self.addresses.get(host, ())

    def link(self, address: str = "127.0.0.1") -> None:
        self.loop.send_routes = lambda _node, routes: self.take(routes)
        facts = Facts(
            roles=("ingress",), ingress=Ingress(proxy="haproxy", http_port=80, https_port=443, address=address)
        )

        def welcome(_orders: Assign, routes: Routes | None) -> None:
            assert routes is not None
            self.take(routes)

        self.loop.on_hello(NODE, NODE, facts, {}, True, welcome)

    def take(self, routes: Routes) -> None:
        if routes.challenges is not None:
            self.ingress.answers = dict(routes.challenges)
        if routes.certificates is not None:
            self.shown = dict(routes.certificates)
        traffic = Traffic(generation=routes.generation, apps={"x": Counters()})
        self.loop.on_traffic(NODE, traffic)

    async def app(self) -> App:
        return await self.loop.app("shop")


@asynccontextmanager
async def a_world(
    authority: Pebble, folder: Path, medium: Medium, addresses: dict[str, tuple[str, ...] | None]
) -> AsyncIterator[World]:
    if not medium.apps:
        spec = an_app_spec(domains=(HOST,))
        app = App(
            id=AppId("p-1"), name="shop", project=ProjectName("default"), created_at=clock.now(), spec=spec, wanted=1
        )
        medium.apps[app.id] = app
    loop = ControlLoop(MemoryStore(medium), FakeLogs(), Policy())
    await loop.open()
    running = asyncio.ensure_future(loop.run())
    try:
        async with a_client(authority, folder) as client:
            world = World(loop, client, addresses)
            world.link()
            await until(lambda: loop.control.apps.has_ingress, bool, "a linked ingress")
            async with world.ingress.serving(authority.http_port):
                yield world
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_an_app_gets_its_certificate_and_another_one_in_time(authority: Pebble, tmp_path: Path) -> None:
    medium = Medium()
    async with a_world(authority, tmp_path, medium, {HOST: ("127.0.0.1",)}) as world:
        await world.domains.look_once()
        await world.renewals.renew_once()
        await until(lambda: world.shown, lambda shown: HOST in shown, "a certificate")
        first = world.loop.certificates()[0]
        assert (first.host, first.source, medium.certificates) == (HOST, Source.ACME, {HOST: first})
        assert world.shown[HOST] == pem_of(first, world.loop.sealer)
        await until(lambda: world.ingress.answers, lambda left: left == {}, "no challenge left")
        await world.renewals.renew_once()
        assert world.loop.certificates() == [first]  # not due

        ca = TestAuthority()
        soon = check_certificate(
            HOST, *ca.sign(HOST, days=29, begins_in_days=-61), clock.now(), world.loop.sealer, Source.ACME
        )
        await put(world, soon)
        await world.renewals.renew_once()
        renewed = world.loop.certificates()[0]
        assert renewed.issuer == first.issuer
        assert renewed.sealed_key not in (first.sealed_key, soon.sealed_key)
        kinds = [event.event.kind for event in medium.events]
        assert kinds.count("certificate.obtained") == 2
        assert not any("PRIVATE" in str(event) or first.chain[:60] in str(event) for event in medium.events)


async def put(world: World, certificate: Certificate) -> None:
    from draas.store.store import Write

    await world.loop.write(Write(certificates=(certificate,)))


async def test_a_domain_that_leads_elsewhere_warns_and_blocks_nothing(authority: Pebble, tmp_path: Path) -> None:
    authority.dns.names[HOST] = "127.0.0.9"  # nobody answers there
    async with a_world(authority, tmp_path, Medium(), {HOST: ("127.0.0.9",)}) as world:
        await world.domains.look_once()
        app = await until(world.app, lambda app: app.warnings, "a warning")
        assert len(app.warnings) == 1
        assert app.warnings[0].startswith(f"{HOST} resolves to 127.0.0.9, none of our ingresses (127.0.0.1)")
        await world.renewals.renew_once()
        await world.domains.look_once()
        app = await until(world.app, lambda app: len(app.warnings) == 2, "the authority's word")
        assert app.warnings[1].startswith(f"no certificate for {HOST}: ")
        assert "next try at 20" in app.warnings[1]
        tried = dict(world.renewals.tried)
        await world.renewals.renew_once()
        assert world.renewals.tried == tried  # backed off

        authority.dns.names[HOST] = "127.0.0.1"
        world.addresses[HOST] = ("127.0.0.1",)
        world.domains._releases.clear()  # as after another deploy
        await world.domains.look_once()
        await world.renewals.renew_once()  # at once, for it leads elsewhere now
        await world.domains.look_once()
        app = await until(world.app, lambda app: not app.warnings, "no warning")
        assert [one.host for one in world.loop.certificates()] == [HOST]


@pytest.mark.needs("haproxy")
async def test_haproxy_answers_the_challenge_and_shows_the_certificate(authority: Pebble, tmp_path: Path) -> None:
    spec = an_app_spec(domains=(HOST,), https_only=True)  # the challenge goes before the redirect
    medium, loop_policy = Medium(), Policy()
    app = App(id=AppId("p-1"), name="shop", project=ProjectName("default"), created_at=clock.now(), spec=spec, wanted=1)
    medium.apps[app.id] = app
    loop = ControlLoop(MemoryStore(medium), FakeLogs(), loop_policy)
    await loop.open()
    https = free_port()
    config = IngressConfig(
        folder=tmp_path / "ingress",
        proxy="haproxy",
        http_port=authority.http_port,
        https_port=https,
        address="127.0.0.1",
        advertise="127.0.0.1",
    )
    runner = IngressRunner(config, lambda: loop.on_traffic(NODE, runner.traffic()))
    async with Tasks("test") as tasks, a_client(authority, tmp_path) as client:
        tasks.spawn(loop.run(), "loop")
        tasks.spawn(runner.run(), "ingress")
        try:
            await until(lambda: runner.facts, lambda facts: facts.http_port, "a proxy")
            loop.send_routes = lambda _node, routes: runner.take(routes)
            facts = Facts(roles=("ingress",), ingress=runner.facts)
            loop.on_hello(NODE, NODE, facts, {}, True, lambda _orders, routes: runner.take(routes))
            await until(lambda: loop.control.apps.has_ingress, bool, "a linked ingress")

            async def resolve(_host: str) -> tuple[str, ...]:
                return ("127.0.0.1",)

            domains = Domains(loop, resolve)
            renewals = Renewals(loop, domains, client)
            await domains.look_once()
            await renewals.renew_once()
            wanted = [name_of(one) for one in loop.certificates()]
            assert len(wanted) == 1, renewals.tried
            await until(lambda: shown_at(https), lambda seen: seen == wanted[0], "its certificate")
        finally:
            await tasks.cancel()
            await stop_proxies(config.folder)


def name_of(certificate: Certificate) -> bytes:
    """The leaf, as it goes over the wire."""
    return ssl.PEM_cert_to_DER_cert(certificate.chain[: certificate.chain.index("-----END") + 26])


async def shown_at(port: int) -> bytes | None:
    """The certificate that is shown for HOST there."""
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=anybody, server_hostname=HOST)
    except OSError:
        return None
    try:
        found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return found
    finally:
        writer.close()
