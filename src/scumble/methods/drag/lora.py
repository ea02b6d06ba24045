"""A LoRA for one picture: so that the model knows it before its points are dragged (arXiv 2306.14435 section 3.2)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from peft import get_peft_model_state_dict
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.cost import Cost
from scumble.core.noise import CounterNoise
from scumble.core.prediction import noised
from scumble.errors import MethodError
from scumble.methods.drag.lora_file import Adapter, cache_folder, is_whole, write_lora
from scumble.methods.drag.lora_layers import NAME, injected, trained_parameters
from scumble.models.base import Model
from scumble.models.frozen import frozen

__all__ = ["train_lora"]


def train_lora(
    model: Model,
    picture: Tensor,
    cond: Conditioning,
    adapter: Adapter,
    folder: Path | None = None,
    on_step: Callable[[int], None] | None = None,
    cost: Cost | None = None,
) -> Path:
    """Return the LoRA file of a picture, trained now or kept from before. A file that was cut is made again.

    Noise prediction of the picture at random levels (mean squared error in x0's noise, AdamW), the base weights
    frozen. The picture is used whole; the published code crops it where it is not square.

    Args:
        model: The model.
        picture: (1, 3, H, W) in [-1, 1].
        cond: What it shows.
        adapter: Settings.
        folder: Where files are kept; None: :func:`cache_folder`.
        on_step: Called with the number of each update; may raise to stop.
        cost: A forward and a backward row of every draw are added; a kept file costs none.

    Raises:
        MethodError: If the network has no attention to adapt.
    """
    folder = cache_folder() if folder is None else folder
    path = folder / adapter.name(model, picture)
    if is_whole(path):
        return path
    denoiser = model.denoiser
    if not any(hasattr(module, "to_q") for module in denoiser.modules()):
        raise MethodError("this network has no attention, so a LoRA has nothing to adapt; leave --lora-steps out")
    noise = CounterNoise([adapter.seed + k for k in range(adapter.batch)])
    total = model.schedule.num_train_timesteps
    draws = torch.Generator().manual_seed(adapter.seed)
    with torch.enable_grad(), frozen(denoiser), torch.random.fork_rng(devices=[]), injected(denoiser, adapter.rank):
        torch.manual_seed(adapter.seed)  # peft draws its first matrices from the global generator
        parameters = trained_parameters(denoiser, adapter.rank)
        with torch.no_grad():
            shape = (adapter.batch, *model.encode(picture).shape[1:])
        adam = torch.optim.AdamW(parameters, lr=adapter.learning_rate)
        for k in range(adapter.steps):
            with torch.no_grad():
                still = picture.expand(adapter.batch, -1, -1, -1)
                x0 = model.encode(still, noise.normal(shape, "lora-vae", k).to(model.device))
            eps = noise.normal(shape, "lora", k).to(x0.device)
            levels = [model.schedule.at(int(t)) for t in torch.randint(total, (adapter.batch,), generator=draws)]
            if cost is not None:
                cost.forward(adapter.batch)
            prediction = model.predict(noised(x0, eps, levels), levels, cond.expand(adapter.batch))
            loss = (prediction.eps - eps).square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            if cost is not None:
                cost.backward(adapter.batch)
            if on_step is not None:
                on_step(k)
        state = get_peft_model_state_dict(denoiser, adapter_name=NAME)
        write_lora({f"unet.{key}": value.float().cpu().contiguous() for key, value in state.items()}, path, adapter)
    return path
