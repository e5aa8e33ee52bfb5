from draas.model.resources import NOTHING


class Fleet:
    def __init__(self):
        self.nodes = {}
        self.held = {}
        self.used = {}

    def put_node(self, n):
        self.nodes[n.id] = n

    def drop_node(self, i):
        self.nodes.pop(i, None)

    def put_job(self, job):
        cur = job.current
        for a in job.attempts:
            if a.ended and a.id in self.held:
                n, r = self.held.pop(a.id)
                self.used[n] = self.used.get(n, NOTHING) - r
        if cur and cur.id not in self.held:
            self.held[cur.id] = (cur.node_id, job.spec.resources)
            self.used[cur.node_id] = self.used.get(cur.node_id, NOTHING) + job.spec.resources

    def room(self, i):
        return self.nodes[i].facts.capacity - self.used.get(i, NOTHING)

    def check(self, cluster):
        for i, n in self.nodes.items():
            want = sum((j.spec.resources for j, _ in cluster.on_node(i)), NOTHING)
            assert want == self.used.get(i, NOTHING), (i, want, self.used.get(i))
            r = self.room(i)
            assert r.cpu_millis >= 0 or n.facts.capacity == NOTHING

    def release(self, i):
        if i in self.held:
            n, r = self.held.pop(i)
            self.used[n] -= r
