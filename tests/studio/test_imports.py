"""The server never loads torch: the page is there while the engine is still being read."""

from __future__ import annotations

import subprocess
import sys


def test_the_server_imports_no_torch() -> None:
    code = "import sys, scumble.studio.serve; sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
