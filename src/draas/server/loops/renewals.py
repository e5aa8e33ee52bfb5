"""The renewals loop: gets certificates from an ACME authority for the hosts that are due (draas.scheduler.renewals)."""

import asyncio
import contextlib
from collections.abc import Mapping

from draas.lib import clock, log
from draas.model.certificate import Source
from draas.model.errors import DraasError, Invalid
from draas.model.event import Event
from draas.model.plan import Plan
from draas.scheduler.renewals import Tried, due_hosts, fail
from draas.server.acme.client import AcmeClient, AcmeTrouble
from draas.server.loops.control import ControlLoop
from draas.server.loops.domains import Domains
from draas.server.services.certificates import check_certificate
from draas.server.services.kept_certificates import certificate_event
from draas.store.store import Write

EVERY_S = 2.0
SHOW_TIMEOUT_S = 15.0  # for the ingresses to answer a challenge
LOOK_S = 0.05


class Renewals:
    """One order at a time: authorities limit how many there may be, and nobody waits for more than the first one."""

    def __init__(self, loop: ControlLoop, domains: Domains, client: AcmeClient) -> None:
        self.tried: dict[str, Tried] = {}
        self._loop = loop
        self._domains = domains
        self._client = client

    async def run(self) -> None:
        """Renew for ever."""
        try:
            while True:
                await self.renew_once()
                await asyncio.sleep(EVERY_S)
        finally:
            await self._client.close()

    async def renew_once(self) -> None:
        """Get a certificate for each host that is due."""
        hosts = [host for hosts in self._domains.hosts().values() for host in hosts]
        for gone in self.tried.keys() - set(hosts):
            self._forget(gone)
        if not self._loop.control.apps.has_ingress or self._loop.trouble:
            return
        for host in due_hosts(hosts, self._loop.certificates(), self._domains.resolved, self.tried, clock.now()):
            await self._renew(host)

    async def _renew(self, host: str) -> None:
        try:
            chain, key = await self._client.obtain(host, self._show)
            now = clock.now()
            certificate = check_certificate(host, chain, key, now, self._loop.sealer, Source.ACME)
        except AcmeTrouble as trouble:
            await self._fail(host, str(trouble), trouble.retry_after_s)
            return
        except Invalid as wrong:
            await self._fail(
                host, f"the authority's certificate: {'; '.join(one.message for one in wrong.faults)}", 0.0
            )
            return
        finally:
            self._loop.show_challenges({})
        events = (certificate_event("certificate.obtained", certificate, now),)
        try:
            await self._loop.write(Write(certificates=(certificate,), plan=Plan(events=events)))
        except DraasError as error:
            self._remember(host, error.detail, 0.0)
            return
        self._forget(host)
        log.info("certificate obtained", host=host, issuer=certificate.issuer)

    async def _show(self, challenges: Mapping[str, str]) -> None:
        """Have every ingress that is linked answer `challenges`. One that does not say so in time is not waited for."""
        self._loop.show_challenges(challenges)
        until = clock.monotonic() + SHOW_TIMEOUT_S
        while not self._loop.control.apps.challenges_shown():
            await asyncio.sleep(LOOK_S)
            if clock.monotonic() > until:
                return

    async def _fail(self, host: str, reason: str, retry_after_s: float) -> None:
        again = self._remember(host, reason, retry_after_s)
        event = Event(
            at=clock.now(), kind="certificate.failed", subject=host, detail={"reason": reason, "again": again}
        )
        with contextlib.suppress(DraasError):  # it is in the log, and in the app's warnings
            await self._loop.write(Write(plan=Plan(events=(event,))))

    def _remember(self, host: str, reason: str, retry_after_s: float) -> str:
        """Not to try again at once. Returns when it will be."""
        seen = self._domains.resolved.get(host)
        addresses = seen.addresses if seen is not None else ()
        tried = self.tried[host] = fail(self.tried.get(host), reason, retry_after_s, addresses, clock.now())
        again = clock.rfc3339(tried.not_before)
        self._domains.troubles[host] = f"{reason}; next try at {again}"
        log.warning("no certificate", host=host, reason=reason, again=again)
        return again

    def _forget(self, host: str) -> None:
        self.tried.pop(host, None)
        self._domains.troubles.pop(host, None)
