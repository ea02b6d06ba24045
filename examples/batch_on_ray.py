"""A list of requests on a Ray cluster, from Python; needs the extra ray.

    python examples/batch_on_ray.py [ADDRESS]

``ADDRESS`` is auto (the cluster that this machine belongs to) or local (a Ray begun here, the default). Start it again
after anything at all: what has its file is found, not made.
"""

from __future__ import annotations

import sys

import scumble

PROMPTS = ("a large red cube on sand by day", "a small blue sphere on snow at night")


def main(address: str = "local") -> int:
    """Make every request; return how many there are no results for."""
    requests = [
        {"method": "text-to-image", "prompt": prompt, "num_inference_steps": 10, "seed": seed, "id": f"{k}-{seed}"}
        for k, prompt in enumerate(PROMPTS)
        for seed in (1, 2)
    ]
    failed = 0
    with scumble.batch(requests, "out", ray={"address": address}) as results:
        for one in results:
            print(one.id, one.state, *one.files, one.error or "")
            failed += one.state != "done"
    return failed


if __name__ == "__main__":
    sys.exit(1 if main(*sys.argv[1:2]) else 0)
