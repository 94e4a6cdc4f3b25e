"""A rate API that can be told to lie."""

import time
from dataclasses import dataclass, field

from conversion.rate_server import FAULTS, RateServer

LIES = tuple(sorted(FAULTS))


@dataclass
class LyingRates(RateServer):
    """Answers by the contract, unless it is lying."""

    slow_seconds: int = 3
    how: str = field(default="", init=False)
    until: float = field(default=0.0, init=False)  # monotonic seconds

    def lie(self, how: str, seconds: float) -> None:
        """Lies like that from now on for `seconds`."""
        self.how, self.until = how, time.monotonic() + seconds

    def be_honest(self) -> None:
        self.how = ""

    def fault(self) -> str:
        return self.how if time.monotonic() < self.until else ""
