"""A batch of toys as a program of its own, so that a test can kill it: one line on stdout for everything it hears."""

from __future__ import annotations

import sys
from pathlib import Path

from scumble.work.commit import clear_temporaries
from scumble.work.crew import Event
from scumble.work.driver import Driver, Rules
from scumble.work.ledger import Entry, Ledger
from scumble.work.local import LocalCrew, Seat

BROKEN = 13


def entries(count: int) -> list[Entry]:
    """The requests: result k is what seed k gives; one of them is broken."""
    return [
        Entry(
            id=f"r{k:02d}",
            line=f"{k:064x}",
            output=f"r{k:02d}.bin",
            body={"method": "toy", "seed": k, "parameters": {"trouble": "raise" if k == BROKEN else None}},
        )
        for k in range(count)
    ]


def main(folder: Path, count: int, workers: int) -> None:
    with Ledger.open(folder, "a test") as ledger:
        if ledger.unclean:
            clear_temporaries([folder])
        ledger.resume_interrupted()
        ledger.add(entries(count), whole=True)
        inside = folder / ".scumble"
        seats = [Seat(f"toy{k}", {"folder": str(folder)}) for k in range(workers)]
        crew = LocalCrew("tests.work.toys:Toy", seats, logs=inside / "logs", lock=inside, grace=0.2)
        driver = Driver(ledger, crew, Rules(retries=5), on_event=say)
        try:
            for row in driver.run():
                print("row", row.id, row.state, flush=True)
        finally:
            crew.close()


def say(event: Event) -> None:
    print(event.kind, event.data.get("pid", ""), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
