from collections import namedtuple

from draas.model.node import NodeState
from draas.model.resources import NOTHING

P = namedtuple("P", "job_id node_id")


def plan_placements(fleet, queue, now, limit):
    extra = {}
    out = []
    for job in sorted(queue.jobs.values(), key=lambda j: (-j.spec.priority, j.seq)):
        if job.ready_at > now:
            continue
        for i, n in sorted(fleet.nodes.items()):
            if n.state is NodeState.READY and job.spec.resources.fits_in(fleet.room(i) - extra.get(i, NOTHING)):
                extra[i] = extra.get(i, NOTHING) + job.spec.resources
                out.append(P(job.id, i))
                break
        if len(out) >= limit:
            break
    return out
