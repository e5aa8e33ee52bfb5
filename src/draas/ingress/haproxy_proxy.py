"""HAProxy as this machine's proxy: changes go over its runtime API; what that cannot change is a seamless reload."""

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from draas.ingress import haproxy
from draas.ingress.bisect import acceptable
from draas.ingress.folder import hasten_all, run, running_pid, start_daemon, stop_daemon, why_refused, write_files
from draas.ingress.haproxy import MASTER, RUNTIME, Maps, Rendered, maps_of, plan_maps, render
from draas.ingress.haproxy_answers import Stat, Sums, read_info, read_map, read_old_workers, read_slots, read_stats
from draas.ingress.haproxy_slots import Slots, backend_name, fill_slots, last_name, plan_servers, slot_name
from draas.ingress.proxy import Applied, ProxyTrouble, Seen
from draas.ingress.serving import Serving
from draas.lib import log
from draas.model.allocation import AllocationId
from draas.model.route import AppRoute

ANSWER_TIMEOUT_S = 5.0
RELOAD_TIMEOUT_S = 15.0
LOOK_S = 0.02
AT_ONCE = 50  # commands on one line, which must fit HAProxy's buffer of 16 KiB
_FINE = re.compile(r"(|IP changed from .*|port changed from .*|no need to change .*|.*no change.*)")
PID_FILE = "haproxy.pid"
CANDIDATE = "candidate.cfg"


def find_haproxy() -> str | None:
    """Where it is; /usr/sbin is often not on PATH."""
    return shutil.which("haproxy", path=f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin")


class HaproxyProxy:
    """Implements draas.ingress.proxy.Proxy with the HAProxy at `program`, run from `folder`."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._pid_file = folder / PID_FILE
        self._structure = ""  # of the running worker; "": to be asked
        self._slots: dict[str, Slots] = {}
        self._maps: Maps = {}
        self._sums = Sums()
        (folder / "run").mkdir(parents=True, exist_ok=True)

    @property
    def alive(self) -> bool:
        return running_pid(self._pid_file, "haproxy") is not None

    async def version(self) -> str:
        _, output = await run(self._folder, self._program, "-v")
        found = re.search(r"[Vv]ersion ([0-9.]+)", output)
        return f"haproxy {found[1]}" if found else "haproxy"

    async def apply(self, serving: Serving, before: Mapping[str, AppRoute]) -> Applied:
        if self.alive and not self._structure:
            await self._adopt(before)
        rendered = self._render(serving)
        if self.alive and rendered.structure == self._structure and serving.routes.keys() <= self._slots.keys():
            write_files(self._folder, rendered.files)
            if await self._change(serving):
                return Applied(routes=serving.routes)
        serving, applied = await acceptable(serving, before, self._check)
        rendered = self._render(serving)
        write_files(self._folder, rendered.files)
        if self.alive:
            await self._change_before_reload(serving)
            await self._reload(rendered.structure)
        else:
            await self._start(rendered.structure)
        self._remember(serving, rendered.structure)
        return applied

    def _fill(self, serving: Serving) -> dict[str, Slots]:
        return {app: fill_slots(self._slots.get(app, ()), route) for app, route in serving.routes.items()}

    def _render(self, serving: Serving) -> Rendered:
        return render(serving, self._fill(serving))

    def _remember(self, serving: Serving, structure: str) -> None:
        self._slots, self._maps, self._structure = self._fill(serving), maps_of(serving), structure

    async def _check(self, serving: Serving) -> str:
        files = dict(self._render(serving).files)
        files[CANDIDATE] = files.pop(haproxy.CONFIG)
        # The maps of the candidate are for the check only: the running worker has read its own already.
        write_files(self._folder, files)
        code, output = await run(self._folder, self._program, "-c", "-f", CANDIDATE)
        return why_refused(output) if code else ""

    # --- over the runtime API ---

    async def _change(self, serving: Serving) -> bool:
        """Whether it could be done without a reload."""
        slots, maps = self._fill(serving), maps_of(serving)
        commands = [*plan_servers(self._slots, slots), *plan_maps(self._maps, maps)]
        for start in range(0, len(commands), AT_ONCE):
            answer = await self._ask("; ".join(commands[start : start + AT_ONCE]))
            if wrong := [line for line in answer.splitlines() if not _FINE.fullmatch(line.strip())]:
                log.warning("haproxy refuses a change at run time; loading it anew", reason=wrong[0])
                return False
        await self._tell_old_workers(commands)
        self._slots, self._maps = slots, maps
        return True

    async def _change_before_reload(self, serving: Serving) -> None:
        """What the running worker can take already: it answers one more request on each connection that is kept open."""
        slots = {
            app: found for app, found in self._fill(serving).items() if len(found) == len(self._slots.get(app, ()))
        }
        known = {backend_name(app) for app in self._slots}
        maps = maps_of(serving)
        maps = {**maps, haproxy.ROUTES: {key: value for key, value in maps[haproxy.ROUTES].items() if value in known}}
        commands = [*plan_servers(self._slots, slots), *(plan_maps(self._maps, maps) if self._maps else ())]
        for start in range(0, len(commands), AT_ONCE):
            await self._ask("; ".join(commands[start : start + AT_ONCE]))
        await self._tell_old_workers(commands)

    async def _tell_old_workers(self, commands: Sequence[str]) -> None:
        """They answer one more request on each connection that was kept open, and must not ask a replica that left.

        HAProxy takes no changes of their servers any more, so they send such requests on through the activator.
        """
        told = [command for command in commands if " map " in command and not command.startswith("add map routes")]
        if len(told) < len(commands):
            told.append(f"add map {haproxy.LEAVING} on 1")
        for pid in read_old_workers(await self._ask("show proc", MASTER)) if told else ():
            for command in told:  # one by one: what follows a refused one on the same line is not looked at
                await self._ask(f"@!{pid} {command}", MASTER)

    async def _adopt(self, before: Mapping[str, AppRoute]) -> None:
        """Learn what the worker that runs already has."""
        self._structure = read_info(await self._ask("show info")).get("description", "")
        self._slots = read_slots(await self._ask("show servers state"), before)
        names = (haproxy.ROUTES, haproxy.HTTPS, haproxy.MAINTENANCE, haproxy.CHALLENGES)
        self._maps = {name: read_map(await self._ask(f"show map {name}")) for name in names}

    async def _ask(self, command: str, path: str = RUNTIME) -> str:
        """The runtime API's answer. Raises ProxyTrouble where there is none."""
        for wait_s in (0.02, 0.1, 0.4, None):  # while a worker takes over from another, nobody listens for a moment
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    return await converse(self._folder, path, command)
            except (OSError, TimeoutError) as error:
                if wait_s is None or isinstance(error, TimeoutError) or not self.alive:
                    raise ProxyTrouble(f"haproxy does not answer: {error or type(error).__name__}") from None
                await asyncio.sleep(wait_s)
        raise AssertionError

    # --- process ---

    async def _start(self, structure: str) -> None:
        for left in (RUNTIME, MASTER):
            (self._folder / left).unlink(missing_ok=True)
        await start_daemon(
            self._folder, self._pid_file,
            self._program, "-W", "-q", "-S", f"unix@{MASTER},mode,600", "-f", haproxy.CONFIG,
        )  # fmt: skip
        await self._until_loaded(structure, None)
        await asyncio.to_thread(hasten_all, self._folder, "haproxy")

    async def _reload(self, structure: str) -> None:
        pid = running_pid(self._pid_file, "haproxy")
        before = read_info(await self._ask("show info")).get("Pid")
        if pid is None:
            raise ProxyTrouble("haproxy ended")
        os.kill(pid, signal.SIGUSR2)
        await self._until_loaded(structure, before)

    async def _until_loaded(self, structure: str, before: str | None) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + RELOAD_TIMEOUT_S
        while loop.time() < until and self.alive:
            try:
                info = read_info(await self._ask("show info"))
            except ProxyTrouble:
                info = {}
            if info.get("description") == structure and info.get("Pid") != before:
                return
            await asyncio.sleep(LOOK_S)
        raise ProxyTrouble(f"haproxy does not take its configuration: {self._last_words()}")

    def _last_words(self) -> str:
        try:
            return why_refused((self._folder / "daemon.log").read_text(errors="replace")[-4000:])
        except OSError:
            return "it said nothing"

    async def stop(self) -> None:
        await stop_daemon(self._pid_file, "haproxy", signal.SIGTERM)
        self._structure, self._slots, self._maps = "", {}, {}

    # --- looking ---

    async def look(self, routes: Mapping[str, AppRoute]) -> Seen:
        seen = await self._stats()
        self._sums.add(seen)
        busy: dict[tuple[str, str], int] = {}
        for stats in seen.values():
            for stat in stats:
                busy[stat.backend, stat.server] = busy.get((stat.backend, stat.server), 0) + stat.open
        drained = {
            AllocationId(slot.endpoint)
            for app in routes
            for number, slot in enumerate(self._slots.get(app, ()))
            if slot.endpoint
            and not any(busy.get((backend, slot_name(number))) for backend in (backend_name(app), last_name(app)))
        }
        leaving = {endpoint.id for route in routes.values() for endpoint in route.endpoints if endpoint.draining}
        return Seen(apps={app: self._sums.of(app) for app in routes}, drained=frozenset(drained & leaving))

    async def _stats(self) -> dict[int, Sequence[Stat]]:
        """By worker: the present one, and those that only finish what they have."""
        now, _, info = (await self._ask("show stat; show info")).partition("Name: HAProxy")
        seen: dict[int, Sequence[Stat]] = {int(read_info(info).get("Pid", "0")): read_stats(now.strip())}
        for pid in read_old_workers(await self._ask("show proc", MASTER)):
            seen[pid] = read_stats((await self._ask(f"@!{pid} show stat", MASTER)).strip())
        return seen


async def converse(folder: Path, path: str, command: str) -> str:
    """Say one line to the socket `path` under `folder`, however long the folder's own name is; returns the whole answer."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        reader, writer = await asyncio.open_unix_connection(f"/proc/self/fd/{descriptor}/{path}", limit=2**24)
    finally:
        os.close(descriptor)
    try:
        writer.write(f"{command}\n".encode())
        writer.write_eof()
        return (await reader.read()).decode(errors="replace")
    finally:
        writer.close()
