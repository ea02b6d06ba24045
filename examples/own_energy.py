"""A wish as a function, beside two methods: the lower half of the picture shall be of one color.

python examples/own_energy.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

import scumble
from scumble import extras

if TYPE_CHECKING:
    from scumble.energies import Observation

GOLD = (0.9, 0.5, -0.6)  # in [-1, 1]


def golden_ground(seen: Observation) -> torch.Tensor:
    """Mean squared distance of the lower half from gold: one value for each picture, (B,)."""
    picture = seen.picture  # (B, 3, H, W), predicted at this step
    gold = picture.new_tensor(GOLD).reshape(1, 3, 1, 1)
    return (picture[:, :, picture.shape[2] // 2 :] - gold).square().mean(dim=(1, 2, 3))


def main() -> None:
    """Make a picture with the wish, and edit it with less of it."""
    editor = scumble.Editor.from_pretrained()
    wish = extras.CustomEnergy(fn=golden_ground, weight=60.0, end=0.7, name="golden ground")
    method = scumble.TextToImage(prompt="a large blue sphere on sand by day", num_inference_steps=20)
    made = editor.generate(method, seed=7, also=[wish])
    made.save("golden.png", overwrite=True)
    print(made.cost.forward_rows, "rows forward,", made.cost.backward_rows, "backward")
    edit = scumble.SDEdit(prompt="a large red sphere on sand by day", strength=0.6, num_inference_steps=20)
    weaker = wish.model_copy(update={"weight": 20.0})
    editor.edit(made.image, edit, seed=7, also=[weaker]).save("golden-red.png", overwrite=True)


if __name__ == "__main__":
    main()
