"""What an uploaded archive may hold. Pure."""

from dataclasses import dataclass

MIB, GIB = 1024**2, 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper bounds while an archive is unpacked; the defaults are far above any source tree worth building."""

    total_bytes: int = 4 * GIB  # twice the largest upload
    file_bytes: int = 2 * GIB
    entries: int = 100_000  # a tree with its node_modules has about 50,000
    depth: int = 64
    part_bytes: int = 255  # of one name; what ext4 and xfs take
    path_bytes: int = 1024
    names_bytes: int = 64 * MIB  # of all paths together; kept in memory
    ratio: int = 200  # unpacked to packed; source text has 3 to 10, the format's most is 1032
    ratio_from_bytes: int = 64 * MIB  # below this much unpacked the ratio does not matter
    header_bytes: int = MIB  # a long name in a tar archive; read into memory
    directory_bytes: int = 64 * MIB  # the table of a zip archive; read into memory


LIMITS = Limits()
