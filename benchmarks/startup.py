"""How long a person waits before anything happens."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = {
    "python -c 'pass'": [sys.executable, "-c", "pass"],
    "import scumble": [sys.executable, "-c", "import scumble"],
    "scumble --help": [str(Path(sys.executable).with_name("scumble")), "--help"],
}


def main() -> None:
    for name, command in COMMANDS.items():
        seconds = []
        for _ in range(5):
            started = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            seconds.append(time.perf_counter() - started)
        print(f"{name}: {statistics.median(seconds):.2f} s")


if __name__ == "__main__":
    main()
