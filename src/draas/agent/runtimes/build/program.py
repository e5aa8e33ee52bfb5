"""One build from its order to its image: fetch or unpack, find out what it is, build within limits, push."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from draas.agent.runtimes.build.buildkit import StepFailed, build_with_buildkit
from draas.agent.runtimes.build.classic import build_with_classic, ran_out_of_memory
from draas.agent.runtimes.build.dockerfile_names import Rewritten, rewrite_names
from draas.agent.runtimes.build.engine import Engine, EngineSaid
from draas.agent.runtimes.build.failure import BuildFailed
from draas.agent.runtimes.build.git_source import SSH_KEY, TOKEN, fetch_source, parse_git_url
from draas.agent.runtimes.build.group import BuildGroup
from draas.agent.runtimes.build.group_settings import PIDS_PER_BUILD, leave_a_core
from draas.agent.runtimes.build.memory_watch import MemoryWatch
from draas.agent.runtimes.build.order import PRIVATE, SHARES, SOURCE, TREE, Order, Result
from draas.agent.runtimes.build.push import push_elsewhere, push_to_cluster
from draas.agent.runtimes.build.room import RoomWatch
from draas.agent.runtimes.build.source_tree import Plan, explain, plan_build, size_of
from draas.agent.runtimes.build.stopping import Stopping
from draas.agent.runtimes.build.telling import Telling
from draas.agent.runtimes.docker.registry_auth import auth_headers
from draas.agent.runtimes.process.cgroup_files import Limits
from draas.build.unpack import unpack
from draas.lib import clock
from draas.lib.promptness import find_named, hasten
from draas.model.allocation import Cause
from draas.model.build import Built
from draas.model.errors import DraasError, Invalid, Unavailable
from draas.model.image_name import Tag, cluster_image
from draas.model.resources import MIB

KILLED = 137  # what a step ends with that the kernel killed


class Program:
    """One build in `folder`, where its source is, if it was uploaded."""

    def __init__(self, order: Order, folder: Path, stopping: Stopping, tell: Telling) -> None:
        self._order = order
        self._folder = folder
        self._private = folder / PRIVATE
        self._stopping = stopping
        self._tell = tell
        self._engine = Engine(order.engine.url, stopping)
        self._cpu_s, self._peak_bytes = 0.0, 0

    def run(self) -> Result:
        """Build. What users and machines can cause comes back as a Result with a cause."""
        try:
            built = self._build()
        except BuildFailed as failed:
            return self._result(failed.cause, failed.detail)
        except Unavailable as full:
            return self._result(Cause.DISK, full.detail)
        except DraasError as wrong:
            detail = explain(wrong) if isinstance(wrong, Invalid) else wrong.detail
            return self._result(Cause.EXIT, detail)
        finally:
            for folder in (self._private, self._folder / TREE):
                shutil.rmtree(folder, ignore_errors=True)
        return Result(built=built, cpu_s=self._cpu_s, peak_memory_bytes=self._peak_bytes)

    def _result(self, cause: Cause, detail: str) -> Result:
        return Result(cause=cause, detail=detail, cpu_s=self._cpu_s, peak_memory_bytes=self._peak_bytes)

    def _build(self) -> Built:
        order = self._order
        self._private.mkdir(mode=0o700)
        watch = RoomWatch((order.engine.root, str(self._folder)), order.build.disk_bytes, self._stopping)
        watch.start()
        _hasten_ports()
        try:
            plan = self._plan()
            names = rewrite_names(plan.text, project=order.project, host=order.registry.host, args=order.build.args)
            self._pull_bases(names)
            image_id = self._run_steps(plan, names.text)
            return self._deliver(image_id, plan)
        finally:
            watch.close()

    # --- source ---

    def _plan(self) -> Plan:
        build, tree = self._order.build, self._folder / TREE
        source = self._folder / SOURCE
        if build.git:
            git = parse_git_url(build.git)
            self._tell(f"fetching {git.ref} of {git.url}")
            token, key = build.secrets.get(TOKEN, ""), build.secrets.get(SSH_KEY, "")
            commit = fetch_source(git, source, self._private, self._stopping, token=token, ssh_key=key)
            self._tell(f"commit {commit}")
        shutil.rmtree(tree, ignore_errors=True)
        with source.open("rb") as archive:
            unpack(archive, tree)
        tree.chmod(0o755)  # COPY gives the mode of the context's root to the folder that it copies to
        source.unlink()
        self._stopping.check()
        files, total = size_of(tree)
        self._tell(f"source: {files} file{'' if files == 1 else 's'}, {_bytes(total)}")
        plan = plan_build(tree, build.folder, build.dockerfile)
        self._tell(f"recognised: {plan.kind}, by {', '.join(plan.because) or 'its files'}")
        if plan.made and not plan.sent:
            self._tell("the Dockerfile made for it:")
            for line in plan.text.splitlines():
                self._tell(f"    {line}")
        return plan

    # --- building ---

    def _pull_bases(self, names: Rewritten) -> None:
        """The engine would take an older image of the same name, were one here."""
        for image in names.images:
            name, _, digest = image.partition("@")
            head, colon, tag = name.rpartition(":")
            name, tag = (head, tag) if colon and "/" not in tag else (name, "latest")
            try:
                for _ in self._engine.messages(
                    "POST",
                    "images/create",
                    headers=auth_headers(self._order.registry),
                    fromImage=name,
                    tag=digest or tag,
                ):
                    continue
            except EngineSaid as said:
                told = f"{image}, which the Dockerfile builds upon, cannot be pulled: {said.message}"
                raise BuildFailed(Cause.IMAGE, told) from None

    def _run_steps(self, plan: Plan, text: str) -> str:
        order = self._order
        own = Limits(memory_bytes=order.memory_bytes, cpu_millis=order.cpu_millis, pids_max=PIDS_PER_BUILD)
        if order.engine.builder == "classic":
            self._tell(f"building with the classic builder, Docker {order.engine.version}; each step has {_told(own)}")
            return self._run_classic(plan, text)
        group = BuildGroup(order.engine.group, self._folder.parent.parent / SHARES)
        held = leave_a_core(own, len(group.usable_cpus()))
        self._tell(f"building with BuildKit, Docker {order.engine.version}; its steps have {_told(held)}")
        try:
            with group.lent(order.id, own), self._measured(group) as memory:
                try:
                    return build_with_buildkit(order, plan, text, self._private, self._stopping, self._tell)
                except StepFailed as failed:
                    raise self._explain(failed, memory.ran_out) from None
        except OSError as error:
            told = (
                f"the limits of the build could not be set ({error.strerror}: {error.filename}): the agent must be root"
            )
            raise BuildFailed(Cause.RUNTIME, told) from None

    @contextmanager
    def _measured(self, group: BuildGroup) -> Iterator[MemoryWatch]:
        before, memory = group.cpu_s, MemoryWatch(group)
        try:
            yield memory
        finally:
            self._cpu_s, self._peak_bytes = max(0.0, group.cpu_s - before), memory.peak_bytes
            memory.close()

    def _run_classic(self, plan: Plan, text: str) -> str:
        began = clock.now()
        try:
            return build_with_classic(self._order, plan, text, self._engine, self._tell)
        except StepFailed as failed:
            ran_out = failed.exit_code == KILLED and ran_out_of_memory(self._engine, began, clock.now())
            raise self._explain(failed, ran_out) from None

    def _explain(self, failed: StepFailed, ran_out: bool) -> BuildFailed:
        if not ran_out:
            return failed
        return BuildFailed(
            Cause.OUT_OF_MEMORY,
            f"a step used more than the {_bytes(self._order.memory_bytes)} of memory that the build asked for, and was killed: "
            f"ask for more (memory_mb); {failed.detail}",
        )

    # --- delivering ---

    def _deliver(self, image_id: str, plan: Plan) -> Built:
        order, build = self._order, self._order.build
        image = self._engine.call("GET", f"images/{image_id}/json")
        platform = f"{image.get('Os', 'linux')}/{image.get('Architecture', '')}"
        if platform != order.engine.platform:
            raise BuildFailed(
                Cause.IMAGE,
                f"the image came out for {platform}, and this node and the build are {order.engine.platform}: "
                "what is the image that FROM names built for?",
            )
        _hasten_ports()
        local = f"{order.registry.host}/{build.repository}"
        digest = None
        for tag in build.tags or (Tag(order.job_id),):
            self._tell(f"pushing {cluster_image(build.repository, tag)}")
            digest = push_to_cluster(self._engine, image_id, local, tag, order.registry, self._stopping, self._tell)
        assert digest is not None
        for name, login in build.also_push.items():
            self._tell(f"pushing {name}")
            push_elsewhere(self._engine, image_id, name, login, self._tell)
        size_bytes = int(image.get("Size", 0))
        built = cluster_image(build.repository, digest)
        self._tell(f"built {built} for {platform}, {_bytes(size_bytes)}")
        return Built(
            image=built,
            platform=platform,
            size_bytes=size_bytes,
            kind=plan.kind,
            dockerfile=plan.text if plan.made else "",
            port=plan.port or _only_port(image),
            pushed=tuple(build.also_push),
        )


def _hasten_ports() -> None:
    """What carries requests to the published ports of apps comes before the engine's packing, in whose group it is."""
    for pid in find_named("docker-proxy"):
        hasten(pid)


def _only_port(image: dict[str, Any]) -> int | None:
    ports = [port for port in (image.get("Config") or {}).get("ExposedPorts") or {} if port.endswith("/tcp")]
    return int(ports[0].partition("/")[0]) if len(ports) == 1 else None


def _told(limits: Limits) -> str:
    cores = f"{limits.cpu_millis / 1000:g} core{'' if limits.cpu_millis == 1000 else 's'}"
    return f"{cores} and {_bytes(limits.memory_bytes)} of memory"


def _bytes(amount: int) -> str:
    if amount >= 10 * MIB:
        return f"{amount / MIB:.0f} MB"
    return f"{amount / MIB:.1f} MB" if amount >= MIB else f"{amount / 1024:.1f} KB"
