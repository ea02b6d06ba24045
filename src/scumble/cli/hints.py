"""What people type who come from other software, and what it is called here."""

from __future__ import annotations

import re

from scumble.core.traits_of_sampling import OTHER_SOLVERS

__all__ = ["with_hint"]

CALLED = {
    "mask-image": "--map",
    "init-image": "the picture without a flag: scumble edit photo.png",
    "image": "the picture without a flag: scumble edit photo.png",
    "num-images-per-prompt": "--count",
    "num-images": "--count",
    "num-samples": "--count",
    "cfg": "--guidance",
    "cfg-scale": "--guidance",
    "scheduler": "--solver",
    "sampler": "--solver",
    "generator": "--seed",
    "preview-vae": "scumble studio --preview-vae FOLDER: only the studio shows previews",
    "denoising-strength": "--strength",
    "skip": "--strength here: skip 0.3 of the steps is --strength 0.7; --skip belongs to --method ddpm-inversion",
}
"""Flag, without its dashes -> what to write instead."""
NUMBERS = re.compile(r"\['-?[\d.]+'(, '-?[\d.]+')*\]")
SOLVER = re.compile(r'Invalid value "([^"]*)" for "?--solver"?\.')
UNKNOWN = re.compile(r'Unknown option: "?--([\w-]+)"?\.?')


def with_hint(message: str) -> str:
    """Return a message of the command line's parser, with what to write instead where that is known."""
    match = UNKNOWN.match(message)
    if match is not None:
        wanted = CALLED.get(match[1].replace("_", "-"))
        return message if wanted is None else f"Unknown option: --{match[1]}. Write {wanted}"
    solver = SOLVER.match(message)
    if solver is not None and (reason := OTHER_SOLVERS.get(solver[1].lower().replace("-", "_"))):
        return reason
    if message.startswith("Unused Tokens"):
        if NUMBERS.search(message):
            return f"{message} A point is x,y with a comma and without a space: --from 31,42 --to 60,42"
        return f"{message} Words belong to --prompt; one picture is edited at a time, scumble batch takes several"
    return message
