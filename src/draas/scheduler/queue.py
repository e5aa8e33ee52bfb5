class Queue:
    def __init__(self):
        self.jobs = {}

    def put(self, job):
        self.jobs[job.id] = job

    def drop(self, i):
        self.jobs.pop(i, None)

    def __len__(self):
        return len(self.jobs)
