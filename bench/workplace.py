"""Where a run works: its sizes, a folder on disk, and logs that several measurements share."""

from pathlib import Path

from msgspec import Struct, field

from bench.biglog import Built, build_log
from bench.processes import Clients
from bench.sizes import Sizes
from bench.story import LENGTH


class Workplace(Struct):
    """What every measurement is given."""

    sizes: Sizes
    folder: Path
    logs: dict[tuple[int, int], Built] = field(default_factory=dict)

    @property
    def clients(self) -> Clients:
        """The clients' process."""
        return Clients(self.folder)

    def fresh(self, name: str) -> Path:
        """A database that is not there yet."""
        return self.folder / name / "noces.db"

    def log(self, events: int, length: int = LENGTH) -> Built:
        """A database with a log of so many events in lives of one length, built once."""
        if (events, length) not in self.logs:
            self.logs[events, length] = build_log(self.fresh(f"log-{events}-{length}"), events, length)
        return self.logs[events, length]
