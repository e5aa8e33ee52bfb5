"""`draas` on a machine whose clock is an hour ahead."""

import time

from draas.cli.main import main
from draas.lib import clock

if __name__ == "__main__":
    clock.now = lambda: time.time() + 3600
    main()
