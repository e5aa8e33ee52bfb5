"""The agent's memory of its orders: which assignments it has taken, so that a restart without controller knows their limits,
and what its probes last said of each replica. No secret is ever written: see without_secrets.

An append-only file of msgpack items, rewritten at each start. It is not synced: losing its tail costs knowledge of a
timeout until the controller is back, nothing else.
"""

import os
from pathlib import Path

import msgspec

from draas.lib import log
from draas.model.allocation import AllocationId, Observed
from draas.model.job import RuntimeName
from draas.wire.link import Assignment

_NOTED = "seen:"  # before the id of an allocation: what was observed of it


class Journal:
    """Assignments by id, kept on disk at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[AllocationId, bytes] = {}
        self._encoder = msgspec.msgpack.Encoder()
        self._rewrite(self._load())
        self._file = path.open("ab", buffering=0)

    def get(self, id: AllocationId) -> Assignment | None:
        """The assignment of this id, if it was taken before."""
        raw = self._known.get(id)
        return msgspec.msgpack.decode(raw, type=Assignment) if raw is not None else None

    def has(self, runtime: RuntimeName) -> bool:
        """Whether any assignment of this runtime was taken and not dropped."""
        return any(
            assignment is not None and assignment.runtime is runtime
            for assignment in (self.get(id) for id in self._known if not id.startswith(_NOTED))
        )

    def put(self, assignment: Assignment) -> None:
        """Remember it, without what is secret: an agent that needs that again gets it from the controller."""
        self._keep(assignment.id, self._encoder.encode(without_secrets(assignment)))

    def _keep(self, id: AllocationId, raw: bytes) -> None:
        if self._known.get(id) != raw:
            self._known[id] = raw
            self._append(id, raw)

    def note(self, id: AllocationId, observed: Observed) -> None:
        """Remember what was observed of a replica: a healthy one is so for the next agent too, until its probes say otherwise."""
        self._keep(AllocationId(_NOTED + id), self._encoder.encode(observed))

    def noted(self, id: AllocationId) -> Observed | None:
        """What was observed of it last, if that was noted."""
        raw = self._known.get(AllocationId(_NOTED + id))
        return msgspec.msgpack.decode(raw, type=Observed) if raw is not None else None

    def drop(self, id: AllocationId) -> None:
        """Forget it."""
        for key in (id, AllocationId(_NOTED + id)):
            if self._known.pop(key, None) is not None:
                self._append(key, b"")

    def close(self) -> None:
        self._file.close()

    def _append(self, id: AllocationId, raw: bytes) -> None:
        """A disk that is full takes nothing: what is half written is cut off again, and work goes on."""
        item = self._encoder.encode((id, raw))
        item = len(item).to_bytes(4, "big") + item
        whole = os.fstat(self._file.fileno()).st_size
        try:
            if self._file.write(item) == len(item):
                return
            reason = "no space left"
        except OSError as error:
            reason = error.strerror or str(error)
        self._file.truncate(whole)
        log.warning("an assignment cannot be noted; a restart without controller will not know it", reason=reason)

    def _load(self) -> dict[AllocationId, bytes]:
        data = self._path.read_bytes() if self._path.exists() else b""
        known: dict[AllocationId, bytes] = {}
        at = 0
        while at + 4 <= len(data):
            size = int.from_bytes(data[at : at + 4], "big")
            item = data[at + 4 : at + 4 + size]
            try:
                id, raw = msgspec.msgpack.decode(item, type=tuple[AllocationId, bytes])
            except msgspec.MsgspecError:
                break  # a torn tail: the machine went down while it was written
            known[id] = raw
            if not raw:
                del known[id]
            at += 4 + size
        return known

    def _rewrite(self, known: dict[AllocationId, bytes]) -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as out:
            for id, raw in known.items():
                item = self._encoder.encode((id, raw))
                out.write(len(item).to_bytes(4, "big") + item)
        os.replace(fresh, self._path)
        self._known = known


def without_secrets(assignment: Assignment) -> Assignment:
    """All of it but the logins of registries and the secrets of a build."""
    build = assignment.build
    if build is not None:
        build = msgspec.structs.replace(build, secrets={}, also_push={})
    return msgspec.structs.replace(assignment, logins=(), build=build)
