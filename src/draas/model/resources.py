"""Amounts of a machine: what a job asks for, what a node has."""

from dataclasses import dataclass

MIB = 1024 * 1024
GIB = 1024 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """CPU in thousandths of a core, memory in bytes, whole GPUs. Integers, so that what is reserved comes back exactly."""

    cpu_millis: int = 0
    memory_bytes: int = 0
    gpus: int = 0

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(
            cpu_millis=self.cpu_millis + other.cpu_millis,
            memory_bytes=self.memory_bytes + other.memory_bytes,
            gpus=self.gpus + other.gpus,
        )

    def __sub__(self, other: "Resources") -> "Resources":
        return Resources(
            cpu_millis=self.cpu_millis - other.cpu_millis,
            memory_bytes=self.memory_bytes - other.memory_bytes,
            gpus=self.gpus - other.gpus,
        )

    def fits_in(self, room: "Resources") -> bool:
        """Whether `room` has at least this much of everything."""
        return self.cpu_millis <= room.cpu_millis and self.memory_bytes <= room.memory_bytes and self.gpus <= room.gpus


NOTHING = Resources()
