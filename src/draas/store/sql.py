from draas.store.store import *


class SqlStore:
    def __init__(self, folder):
        self.j = {}
        self.n = 0
        self.ev = []
        self.a = {}

    async def open(self):
        return Snapshot()

    async def commit(self, w):
        for j in w.plan.jobs:
            self.j[j.id] = j
        for j in w.plan.gone_jobs:
            self.j.pop(j, None)
        for e in w.plan.events:
            self.n += 1
            self.ev.append(NumberedEvent(number=self.n, event=e))
        for a in w.answers:
            self.a[a.key] = a
        return self.n

    async def job(self, id):
        return self.j.get(id)

    async def jobs(self, ids):
        return {i: self.j[i] for i in ids if i in self.j}

    async def list_jobs(self, m, below, limit):
        its = sorted((j for j in self.j.values() if (below is None or j.seq < below)), key=lambda j: -j.seq)[:limit]
        return Page(items=its, next=None, total=len(self.j))

    async def events(self, after, limit, project=None):
        return [e for e in self.ev if e.number > after][:limit]

    async def answer(self, k):
        return self.a.get(k)

    async def expired_jobs(self, b, l):
        return []

    async def close(self):
        pass
