"""The pause image: one program of a few bytes that sleeps for ever, holding a network namespace open.

Written here as machine code so that a namespace costs no download and no shell: an ELF header, one program header, and a
loop around a system call that never returns. Source: System V ABI (ELF-64), Linux system call numbers of each architecture.
"""

import struct

from draas.agent.runtimes.docker.image_archive import Entry, image_archive

PAUSE_IMAGE = "draas/pause:1"
_BASE = 0x400000
_HEADERS_BYTES = 64 + 56
# (ELF machine, code)
_PROGRAMS = {
    # mov eax, 34 (pause); syscall; jmp back
    "amd64": (62, bytes.fromhex("b8220000000f05ebf7")),
    # ppoll(NULL, 0, NULL, NULL): mov x0..x4, #0; mov x8, #73; svc #0; b back
    "arm64": (
        183,
        struct.pack(
            "<8I", 0xD2800000, 0xD2800001, 0xD2800002, 0xD2800003, 0xD2800004, 0xD2800928, 0xD4000001, 0x17FFFFF9
        ),
    ),
}


def pause_program(arch: str) -> bytes | None:
    """A static executable that sleeps for ever, or None where we have none for this architecture."""
    if arch not in _PROGRAMS:
        return None
    machine, code = _PROGRAMS[arch]
    size = _HEADERS_BYTES + len(code)
    ident = b"\x7fELF" + bytes([2, 1, 1, 0]) + bytes(8)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, _BASE + _HEADERS_BYTES, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + code


def pause_archive(arch: str) -> bytes | None:
    """The image for POST /images/load, or None where there is no program for `arch`."""
    program = pause_program(arch)
    if program is None:
        return None
    return image_archive([Entry("pause", program)], tag=PAUSE_IMAGE, arch=arch, command=["/pause"])
