"""Certificates from files: what is taken, what is said of what is not, where the key is, and what agents are sent."""

import asyncio
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from draas.client.api import Client
from draas.lib import clock
from draas.lib.sealing import Sealer, Unsealable, ensure_key
from draas.model.errors import Forbidden, Invalid, NotFound
from draas.model.node import Facts
from draas.model.policy import Policy
from draas.server.loops.control import ControlLoop
from draas.server.services.certificates import check_certificate
from draas.server.services.kept_certificates import pem_of
from draas.store.memory import Medium, MemoryStore
from draas.store.store import Write
from draas.testing.api import serve_api
from draas.testing.certificates import TestAuthority, pem_of_key
from draas.testing.fake_logs import FakeLogs
from draas.testing.waiting import until
from draas.wire.link import Assign, Routes

SEALER = Sealer(bytes(32))
CA = TestAuthority()
OTHER = TestAuthority("Another CA")
HOST = "shop.example.org"


def told(host: str, chain: str, key: str) -> dict[str, str]:
    """What is wrong, by field."""
    with pytest.raises(Invalid) as caught:
        check_certificate(host, chain, key, clock.now(), SEALER)
    for secret in (line for line in key.splitlines() if not line.startswith("-----")):
        assert secret not in str(caught.value.faults)
    return {fault.path: fault.message for fault in caught.value.faults}


def test_what_is_good_is_taken_and_comes_out_whole() -> None:
    chain, key = CA.sign(HOST, "www.example.org")
    kept = check_certificate("Shop.Example.org", chain + CA.pem, key, clock.now(), SEALER)
    assert (kept.host, kept.names, kept.issuer) == (HOST, (HOST, "www.example.org"), "Test CA")
    assert pem_of(kept, SEALER) == chain + CA.pem + key
    assert b"PRIVATE" not in kept.sealed_key
    with pytest.raises(Unsealable):
        pem_of(kept, Sealer(b"x" * 32))


@pytest.mark.parametrize("host", ["a.example.org", "*.example.org"])
def test_a_wildcard_is_good_for_its_names_and_for_itself(host: str) -> None:
    chain, key = CA.sign("*.example.org")
    assert check_certificate(host, chain, key, clock.now(), SEALER).host == host


def test_what_is_wrong_is_told_of_its_field() -> None:
    chain, key = CA.sign(HOST)
    other_chain, other_key = CA.sign("other.example.org")
    old, old_key = CA.sign(HOST, begins_in_days=-9, days=-1)
    early, early_key = CA.sign(HOST, begins_in_days=2)
    nameless, nameless_key = CA.sign()
    own = ec.generate_private_key(ec.SECP256R1())
    locked, _ = CA.sign(HOST, key=own)
    assert told(HOST, chain, other_key) == {"key": "does not fit the certificate: it belongs to another one"}
    assert told(HOST, other_chain, other_key) == {"chain": f"is not for {HOST}: it is for other.example.org"}
    assert told("a.b.example.org", *CA.sign("*.example.org"))["chain"].startswith("is not for a.b.example.org")
    assert told(HOST, nameless, nameless_key)["chain"] == f"is not for {HOST}: it is for no host name"
    assert told(HOST, old, old_key)["chain"].startswith("expired on 20")
    assert told(HOST, early, early_key)["chain"].startswith("is good only from 20")
    assert told(HOST, chain + OTHER.pem, key)["chain"].startswith("is in no order: certificate 1 is not issued")
    assert "fits another certificate" in told(HOST, CA.pem + chain, key)["key"]
    assert told(HOST, locked, pem_of_key(own, b"secret"))["key"].startswith("is encrypted: take its passphrase off")
    assert told(HOST, key, chain) == {
        "chain": "must be PEM: -----BEGIN CERTIFICATE----- and so on",
        "key": "must be a private key in PEM: -----BEGIN PRIVATE KEY----- and so on",
    }
    assert told(HOST, CA.pem * 11, key)["chain"].startswith("has 11 certificates")
    assert told("shop", chain, key)["chain"].startswith("is not for shop")
    assert "host" in told("a b", chain, key)


async def test_over_the_api() -> None:
    chain, key = CA.sign("*.example.org")
    async with serve_api() as served, Client(served.settings("deployer")) as client:
        put = await client.put_certificate("*.example.org", chain, key)
        assert (put["issuer"], put["source"], put["names"]) == ("Test CA", "file", ["*.example.org"])
        found = await client.certificates()
        assert found["items"] == [put]
        assert set(put) == {"host", "names", "issuer", "source", "not_before", "expires_at"}
        with pytest.raises(Invalid) as caught:
            await client.put_certificate("x.org", chain, "nonsense")
        assert [fault.path for fault in caught.value.faults] == ["key", "chain"]
        await client.remove_certificate("*.EXAMPLE.org")
        with pytest.raises(NotFound):
            await client.remove_certificate("*.example.org")
        async with Client(served.settings("viewer")) as viewer:
            assert (await viewer.certificates())["total"] == 0
            with pytest.raises(Forbidden):
                await viewer.put_certificate("*.example.org", chain, key)


class Agents:
    """Two linked agents without machines: an ingress and a DNS node; what each was sent of routes."""

    def __init__(self, loop: ControlLoop) -> None:
        self.loop = loop
        self.sent: dict[str, list[Routes]] = {"ingress": [], "dns": []}
        loop.send_routes = lambda node_id, routes: self.sent[node_id].append(routes)

    def link(self, role: str) -> None:
        def welcome(_orders: Assign, routes: Routes | None) -> None:
            assert routes is not None
            self.sent[role].append(routes)

        self.loop.on_hello(role, role, Facts(roles=(role,)), {}, True, welcome)

    def certificates(self, role: str) -> list[dict[str, str]]:
        return [dict(one.certificates) for one in self.sent[role] if one.certificates is not None]


async def test_ingresses_are_sent_it_after_the_commit_and_dns_nodes_never() -> None:
    medium = Medium()
    chain, key = CA.sign(HOST)
    loop = ControlLoop(MemoryStore(medium), FakeLogs(), Policy())
    await loop.open()
    running = asyncio.ensure_future(loop.run())
    try:
        agents = Agents(loop)
        for role in ("ingress", "dns"):
            agents.link(role)
        await until(lambda: agents.sent, lambda sent: all(sent.values()), "both linked")
        kept = check_certificate(HOST, chain, key, clock.now(), loop.sealer)
        await loop.write(Write(certificates=(kept,)))
        assert medium.certificates == {HOST: kept}
        await until(lambda: agents.certificates("ingress"), lambda seen: {HOST: chain + key} in seen, "sent")
        assert agents.certificates("dns") == []
        agents.link("ingress")  # again: the whole table has it
        await until(lambda: agents.sent["ingress"][-1], lambda last: last.full, "a whole table")
        assert agents.certificates("ingress")[-1] == {HOST: chain + key}
        await loop.write(Write(gone_certificates=(HOST,)))
        await until(lambda: agents.certificates("ingress")[-1], lambda seen: seen == {}, "taken back")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_controller_that_starts_again_shows_what_it_can_open() -> None:
    medium = Medium()
    sealers = {"a.example.org": SEALER, "b.example.org": Sealer(b"y" * 32)}
    medium.certificates = {
        host: check_certificate(host, *CA.sign(host), clock.now(), sealer) for host, sealer in sealers.items()
    }
    loop = ControlLoop(MemoryStore(medium), FakeLogs(), Policy())
    loop.sealer = SEALER
    await loop.open()
    loop.control.connect("n-1", "i", Facts(roles=("ingress",)), {}, True, clock.steady())
    routes = loop.control.apps.full_routes("n-1")
    assert routes is not None
    assert set(routes.certificates or {}) == {"a.example.org"}


def test_the_key_to_all_keys_is_ours_alone_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "sealing.key"
    key = ensure_key(path)
    assert ensure_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(b"short")
    with pytest.raises(ValueError, match="restore it from a backup"):
        ensure_key(path)
    sealed = Sealer(key).seal(b"x", "here")
    with pytest.raises(Unsealable):
        Sealer(key).open(sealed, "there")
