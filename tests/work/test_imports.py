"""The process that hands out the work stays small: it never imports torch."""

from __future__ import annotations

import subprocess
import sys


def test_the_driver_and_the_ledger_import_no_torch() -> None:
    modules = "scumble.work.driver, scumble.work.local, scumble.work.ledger, scumble.records.request"
    code = f"import {modules}, sys; print([m for m in ('torch', 'diffusers', 'ray', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
