"""Score: which of the nodes that can take a job should. The mean of the parts that apply, each 0 (bad) to 1 (good).

All of it is elementwise arithmetic in float64, rounded once to float32, so that one row, all rows and plain Python agree
to the last bit and equal inputs give equal placements.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from draas.model.node import Load

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Scores = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

UNFIT = -1.0  # below every score
FAILURES_FADE_S = 600.0  # what broke a node ten minutes ago has been repaired, or will show again at once
FAILURES_STEP_S = 10.0  # failures fade in steps, so that most ticks find their scores unchanged
# A missing image costs this share of a node's load at least (asking a registry, unpacking) and, from 1 GiB on, at most.
# Half at most: a node that is nearly full loses against an empty one, whatever has to be pulled.
IMAGE_LEAST, IMAGE_MOST = 0.1, 0.5
IMAGE_LARGE_BYTES = 1024**3


def others_shares(load: Load, capacity_memory_bytes: int, ours: tuple[float, float]) -> tuple[float, float]:
    """Which shares of CPU and memory are measured to be in use and not explained by `ours`, the shares reserved meanwhile."""
    total = max(load.memory_total_bytes, capacity_memory_bytes)
    memory = load.memory_used_bytes / total if total > 0 else 0.0
    return max(0.0, load.cpu_percent / 100 - ours[0]), max(0.0, memory - ours[1])


def failure_part(failures: Iterable[float], now: float) -> float:
    """1 where nothing failed lately, 1/2 after one fresh failure, 1/3 after two; each fades over FAILURES_FADE_S."""
    now = now // FAILURES_STEP_S * FAILURES_STEP_S
    fresh = sum(min(1.0, max(0.0, 1.0 - (now - at) / FAILURES_FADE_S)) for at in failures)
    return 1.0 / (1.0 + fresh)


def missing_image_part(size_bytes: int, holders: int, nodes: int) -> float:
    """The image part of a node that would have to pull it; a node that has it gets 1.

    Damped by how many nodes have it, as in Kubernetes' ImageLocality: a single holder should not draw all work onto itself.
    """
    share_large = min(1.0, size_bytes / IMAGE_LARGE_BYTES)
    damping = 0.5 + 0.5 * (holders / max(1, nodes))
    return 1.0 - (IMAGE_LEAST + (IMAGE_MOST - IMAGE_LEAST) * share_large) * damping


def load_part(after: Ints, scale: Floats, others: Floats) -> Floats:
    """1 - load: the worse of CPU and memory, each the share reserved `after` the job is there and what others use, 1 at most.

    Added and not the larger of both: where others use much, a node would look the same for the next ten jobs, and get them all.
    """
    shares: Floats = after[:2] / scale
    shares += others
    part: Floats = 1.0 - np.minimum(np.maximum(shares[0], shares[1]), 1.0)
    return part


def score(after: Ints, capacity: Ints, floats: Floats, image: Floats | None, allowed: Bools) -> Floats:
    """Scores of rows, to be rounded to float32; UNFIT where the job is not `allowed`, or with it more would be used than there is.

    `after` and `capacity` have the resources along their first axis, `floats` the columns of Books.floats.
    """
    fits = np.logical_and.reduce(after <= capacity, axis=0)
    fits &= allowed
    total = load_part(after, floats[:2], floats[2:4])
    total += floats[4]
    if image is not None:
        total += image
    total /= 2.0 if image is None else 3.0
    found: Floats = np.where(fits, total, UNFIT)
    return found
