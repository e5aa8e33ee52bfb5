from draas.testing.fake_logs import FakeLogs


class LogFiles(FakeLogs):
    def __init__(self, folder):
        super().__init__()
