"""Who this node is: made once with a join token, kept in the data folder, and the same after every restart."""

import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from ssl import SSLContext

import msgspec

from draas.agent.config import AgentConfig
from draas.client.api import Client
from draas.client.settings import Settings
from draas.client.trust import Trust, trust
from draas.model.errors import Invalid
from draas.wire.join import split_join_token


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The node's id, its key, and the CA by which it knows its controller ("" where TLS is off or the system's CAs serve)."""

    node_id: str
    key: str
    url: str
    ca_pem: str
    owner: str  # marks this agent's containers; never changes, also when the node joins another cluster

    @property
    def tls(self) -> SSLContext | None:
        """For the link; None without TLS."""
        return Trust(url=self.url, ca_pem=self.ca_pem).context


async def ensure_identity(config: AgentConfig, *, anew: bool = False) -> Identity:
    """This node's identity, made with the join token where there is none yet, or where the token is for another controller.

    `anew`: the controller refuses the identity that there is, so join again with the token.
    Raises Invalid where there is neither, and DraasError with one line where joining fails.
    """
    path = config.data_dir / "identity.json"
    known = _load(path)
    if known is not None and not anew and (config.token is None or known.url == config.url):
        return _moved(known, config.url, path)
    if config.token is None:
        raise Invalid(
            "this machine has not joined yet: give a join token (draas nodes token, then draas join URL TOKEN)"
        )
    try:
        _, fingerprint = split_join_token(config.token)
    except ValueError as error:
        raise Invalid(str(error)) from None
    trusted = await trust(config.url, fingerprint)
    async with Client(Settings(url=config.url, ca_fingerprint=fingerprint)) as client:
        joined = await client.join(config.token, config.name, known.key if known is not None else None)
    identity = Identity(
        node_id=joined["node_id"],
        key=joined["key"],
        url=trusted.url,
        ca_pem=trusted.ca_pem,
        owner=known.owner if known is not None else secrets.token_hex(8),
    )
    _save(path, identity)
    return identity


def _moved(known: Identity, url: str, path: Path) -> Identity:
    """The identity with the controller's present address, which may differ from the one that was joined."""
    if not url or known.url == url:
        return known
    moved = replace(known, url=url)
    _save(path, moved)
    return moved


def _load(path: Path) -> Identity | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Identity)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError:
        raise Invalid(f"{path} is damaged: remove it and join again with a new token") from None


def _save(path: Path, identity: Identity) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(msgspec.json.encode(identity))
        out.flush()
        os.fsync(out.fileno())
    os.replace(fresh, path)
