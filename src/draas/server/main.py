"""The controller's composition root: store, logs, control loop, API and link on one port."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from starlette.websockets import WebSocket

import draas
from draas.lib import clock, log
from draas.lib.addresses import is_loopback
from draas.lib.disk import Disk, disk_of
from draas.lib.ids import digest
from draas.lib.sealing import Sealer, ensure_key
from draas.lib.tasks import Tasks
from draas.model.allocation import NodeId
from draas.model.command import DeleteJob
from draas.model.errors import DraasError, Invalid
from draas.model.event import Event
from draas.model.job import Job, JobId, JobKind
from draas.model.plan import Plan
from draas.server.access import authenticate_node, check_open, first_admin_key
from draas.server.api.app import create_app
from draas.server.api.config import ApiConfig
from draas.server.api.guard import api_of, caller_of
from draas.server.config import ServerConfig
from draas.server.http import PatientProtocol
from draas.server.link.endpoint import Endpoint
from draas.server.link.hub import Hub
from draas.server.loops.collection import Collection
from draas.server.loops.control import ControlLoop
from draas.server.loops.disks import Disks
from draas.server.loops.domains import Domains
from draas.server.loops.keeping import Keeping
from draas.server.loops.sampling import Sampling
from draas.server.registry.images import Images
from draas.server.services.controller import Reply
from draas.server.services.own_disk import OwnDisk
from draas.store.blob_files import BlobFiles
from draas.store.log_files import LogFiles
from draas.store.manifest_files import ManifestFiles
from draas.store.sql import SqlStore
from draas.store.store import JobFilter, StoreFailure, Write
from draas.wire.link import CLOSE_KEY

if TYPE_CHECKING:
    from draas.server.acme.client import AcmeClient
    from draas.server.tls import Certificates

SEALING_KEY = "sealing.key"  # without it what is sealed in the database is lost: back up both
RETENTION_EVERY_S = 600.0
RETENTION_BATCH = 500
BUILDS_LOOKED_AT = 1_000  # the newest, for sources that are to stay
START_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A controller that answers. `admin_key` is there at the very first start only."""

    url: str
    admin_key: str | None
    certificates: "Certificates | None"
    loop: ControlLoop
    ended: asyncio.Future[BaseException]


@asynccontextmanager
async def running_controller(config: ServerConfig) -> AsyncIterator[Running]:
    """A controller for the length of the block.

    Raises Invalid for a configuration that cannot be, StoreFailure for a data folder that cannot be used, OSError where the
    address is taken.
    """
    check_open(config.is_open, config.host)
    config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    certificates = _certificates(config)
    sealer, client = _sealer(config), _acme_client(config)
    listening = _listen(config.host, config.port)
    store = SqlStore(config.data_dir, events_kept_s=config.policy.event_retention_s)
    logs = LogFiles(config.data_dir / "logs", config.policy.log_cap_bytes)
    images = _images(config)
    loop = _control_loop(config, store, logs, sealer)
    hub = _hub(loop, logs)
    collection = _collection(loop, images, config)
    disk = OwnDisk(config.data_dir)
    try:
        async with Tasks("controller") as tasks, contextlib.AsyncExitStack() as closing:
            await loop.open()
            for part in (store, logs, images.blobs, images.manifests):
                closing.push_async_callback(part.close)
            await images.blobs.open()
            _spawn_loops(tasks, config, loop, store, hub, logs)
            tasks.spawn(collection.run(), "collection")
            tasks.spawn(_disks(loop, disk).run(), "disks")
            _spawn_domains(tasks, loop, client)
            admin_key = await first_admin_key(loop, config.admin_key)
            url = _url(config, listening, certificates)
            api = _api_config(config, url, certificates)
            server = _server(create_app(loop, api, _link(loop, hub), images, collection, disk), config, certificates)
            serving = tasks.spawn(server.serve(sockets=[listening]), "http")
            await _wait_started(server, serving)
            assert tasks.failed is not None
            yield Running(url=url, admin_key=admin_key, certificates=certificates, loop=loop, ended=tasks.failed)
            await _stop(server, serving)
            await tasks.cancel()
    finally:
        listening.close()


def _control_loop(config: ServerConfig, store: SqlStore, logs: LogFiles, sealer: Sealer) -> ControlLoop:
    loop = ControlLoop(store, logs, config.policy)
    loop.sealer = sealer
    loop.docker_hub = config.docker_hub
    loop.runtime_without_nodes = config.runtime_without_nodes
    return loop


def _hub(loop: ControlLoop, logs: LogFiles) -> Hub:
    hub = Hub(logs)
    loop.send_orders, loop.send_routes, loop.drop_link = hub.send_orders, hub.send_routes, hub.drop
    return hub


def _spawn_loops(
    tasks: Tasks, config: ServerConfig, loop: ControlLoop, store: SqlStore, hub: Hub, logs: LogFiles
) -> None:
    tasks.spawn(loop.run(), "loop")
    tasks.spawn(hub.write_logs(), "logs")
    tasks.spawn(_retain(loop, logs), "retention")
    tasks.spawn(Keeping(lambda: loop.control.cluster, config.policy, hub).run(), "keeping")
    sampling = Sampling(loop.history, store, lambda: loop.control.cluster, lambda now: loop.control.apps.samples(now))
    tasks.spawn(sampling.run(), "sampling")


def _spawn_domains(tasks: Tasks, loop: ControlLoop, client: "AcmeClient | None") -> None:
    domains = Domains(loop)
    tasks.spawn(domains.run(), "domains")
    if client is not None:
        from draas.server.loops.renewals import Renewals  # see _acme_client

        tasks.spawn(Renewals(loop, domains, client).run(), "renewals")


def _api_config(config: ServerConfig, url: str, certificates: "Certificates | None") -> ApiConfig:
    return ApiConfig(
        url=url,
        version=draas.__version__,
        is_open=config.is_open,
        ca_pem=certificates.ca_pem if certificates else "",
        fingerprint=certificates.fingerprint if certificates else "",
        apps_domain=config.policy.apps_domain,
        started_at=clock.now(),
        acme=config.acme.directory if config.acme is not None else None,
        docker_hub=config.docker_hub,
        blobs=config.bucket.url if config.bucket is not None else "files",
        data_dir=str(config.data_dir),
    )


async def _stop(server: uvicorn.Server, serving: "asyncio.Task[object]") -> None:
    server.should_exit = True
    server.force_exit = True
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait({serving}, timeout=5)


def _images(config: ServerConfig) -> Images:
    folder = config.data_dir / "registry"
    if config.bucket is None:
        return Images(blobs=BlobFiles(folder), manifests=ManifestFiles(folder))
    from draas.store.blob_bucket import BlobBucket  # 10 MB, for those that want it
    from draas.store.bucket import open_bucket

    blobs = BlobBucket(folder, open_bucket(config.bucket, os.environ), config.bucket.url)
    return Images(blobs=blobs, manifests=ManifestFiles(folder))


def _disks(loop: ControlLoop, own: OwnDisk) -> Disks:
    async def note(events: Sequence[Event]) -> None:
        await loop.write(Write(plan=Plan(events=tuple(events))))

    return Disks(own, lambda: loop.control.cluster.nodes.values(), note)


def _collection(loop: ControlLoop, images: Images, config: ServerConfig) -> Collection:
    async def builds() -> Sequence[Job]:
        return (await loop.list_jobs(JobFilter(kind=JobKind.BUILD), None, BUILDS_LOOKED_AT)).items

    async def note(event: Event) -> None:
        await loop.write(Write(plan=Plan(events=(event,))))

    # With blobs in a bucket a full disk is no reason to delete images: it would gain nothing.
    disk = disk_of if config.bucket is None else lambda _folder: Disk()
    folder = config.data_dir / "registry"
    return Collection(images, folder, config.policy, lambda: loop.control.cluster, builds, note, disk)


def _link(loop: ControlLoop, hub: Hub):  # type: ignore[no-untyped-def]
    endpoint = Endpoint(loop, hub)

    async def link(websocket: WebSocket) -> None:
        try:
            key = authenticate_node(loop, caller_of(websocket), api_of(websocket).attempts)
        except DraasError as error:
            await websocket.accept()
            await websocket.close(CLOSE_KEY, error.detail[:120])
            return
        await endpoint.serve(websocket, NodeId(key.node_id or ""), key.name)

    return link


def _server(app: object, config: ServerConfig, certificates: "Certificates | None") -> uvicorn.Server:
    own = config.certificate is not None
    settings = uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=PatientProtocol,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_max_size=16 * 1024 * 1024,
        ws_ping_interval=None,
        proxy_headers=bool(config.trusted_proxies),  # else whoever asks could say who they are
        forwarded_allow_ips=list(config.trusted_proxies),
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
        server_header=False,
        ssl_certfile=config.certificate if own else certificates.certificate_path if certificates else None,
        ssl_keyfile=config.private_key if own else certificates.key_path if certificates else None,
    )
    return _Server(settings)


class _Server(uvicorn.Server):
    """Leaves signals to the command line, which ends the whole process in order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _wait_started(server: uvicorn.Server, serving: "asyncio.Task[object]") -> None:
    async with asyncio.timeout(START_TIMEOUT_S):
        while not server.started:
            if serving.done():
                raise Invalid("the HTTP server did not start; see the log above")
            await asyncio.sleep(0.005)


def _certificates(config: ServerConfig) -> "Certificates | None":
    if config.tls == "off" or is_loopback(config.host) or config.certificate is not None:
        return None
    from draas.server.tls import ensure_certificates  # its X.509 costs 7 MB, which loopback need not spend

    names = {config.host, socket.gethostname(), *_own_addresses()}
    if config.advertise:
        names.add(config.advertise.split("://")[-1].rsplit(":", 1)[0].strip("[]/"))
    return ensure_certificates(config.data_dir / "tls", sorted(names - {"0.0.0.0", "::"}), clock.now())


def _sealer(config: ServerConfig) -> Sealer:
    try:
        return Sealer(ensure_key(config.data_dir / SEALING_KEY))
    except ValueError as error:
        raise Invalid(str(error)) from None


def _acme_client(config: ServerConfig) -> "AcmeClient | None":
    if config.acme is None:
        return None
    from draas.server.acme.client import AcmeClient  # with aiohttp 8 MB, for those that want it
    from draas.server.acme.jws import ensure_account_key

    name = f"account-{digest(config.acme.directory)[:12]}.pem"  # an account is one authority's
    try:
        key = ensure_account_key(config.data_dir / "acme" / name)
    except ValueError as error:
        raise Invalid(str(error)) from None
    return AcmeClient(config.acme.directory, config.acme.email, key, version=draas.__version__)


def _own_addresses() -> Sequence[str]:
    """This machine's addresses, so that a certificate is good whichever of them others use."""
    import psutil

    return [
        address.address.partition("%")[0]
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family in (socket.AF_INET, socket.AF_INET6)
    ]


def _listen(host: str, port: int) -> socket.socket:
    """The listening socket. Raises OSError with the address in it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise OSError(
            error.errno, f"cannot listen on {host}:{port}: {error.strerror}; choose another with --listen"
        ) from None
    listening.listen(2048)
    return listening


def _url(config: ServerConfig, listening: socket.socket, certificates: "Certificates | None") -> str:
    if config.advertise:
        return config.advertise.rstrip("/")
    scheme = "https" if certificates is not None or config.certificate is not None else "http"
    host, port = config.host, listening.getsockname()[1]
    if host in ("0.0.0.0", "::"):
        host = _outward_address()
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _outward_address() -> str:
    """The address of the interface that leads out; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1, RFC 5737
        except OSError:
            return socket.gethostname()
        return str(probe.getsockname()[0])


async def _retain(loop: ControlLoop, logs: LogFiles) -> None:
    """Forget jobs, with their logs, that ended longer ago than the policy keeps them; and logs, whose time is shorter."""
    while True:
        await asyncio.sleep(RETENTION_EVERY_S)
        try:
            await logs.expire(clock.now() - loop.policy.log_retention_s, RETENTION_BATCH)
            await retain_once(loop)
        except StoreFailure as failure:
            log.error("nothing old can be deleted now; trying again", reason=failure.detail)


async def retain_once(loop: ControlLoop) -> int:
    """One round of retention; how many jobs were forgotten."""
    count = 0
    for job_id in await loop.expired_jobs(RETENTION_BATCH):
        with contextlib.suppress(DraasError):  # retried or deleted meanwhile
            await loop.command(DeleteJob(id=JobId(job_id)), lambda _jobs, _nodes: Reply(200, b""))
            count += 1
    return count


def data_dir_of(path: str) -> Path:
    """The data folder of a flag or variable."""
    return Path(path).expanduser().resolve()
