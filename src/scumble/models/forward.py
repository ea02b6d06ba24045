"""The only place where a network of a model is called: to denoise, encode, decode or embed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from scumble.core.conditioning import Conditioning
from scumble.core.schedule import Level
from scumble.models.guidance_input import guidance_input, guidance_width
from scumble.models.precision import compute_dtype
from scumble.models.runtime.base import Runtime
from scumble.models.runtime.inputs import as_keywords
from scumble.models.runtime.untouched import is_untouched
from scumble.models.taps import Tap, attached

__all__ = [
    "by_torch",
    "decode",
    "denoise",
    "embed",
    "embed_pooled",
    "encode",
    "is_tiny",
    "text_and_pooled",
    "text_states",
    "timesteps",
]


def timesteps(level: Level | Sequence[Level], device: torch.device) -> Tensor:
    """Return the time of one level (a scalar) or of one level per row (B,); int64 when all are whole numbers."""
    times = level.t if isinstance(level, Level) else [lv.t for lv in level]
    exact = torch.tensor(times, dtype=torch.float64)
    whole = bool((exact == exact.round()).all())
    return exact.to(torch.int64 if whole else torch.float32).to(device)


def denoise(denoiser: nn.Module, x: Tensor, t: Tensor, cond: Conditioning, runtime: Runtime | None = None) -> Tensor:
    """Return the raw output of the network for ``x`` (B, C, h, w), evaluated in the network's own precision.

    ``runtime`` answers where the network alone is asked for; PyTorch does where something is attached to the network
    or a gradient is wanted. The output has x's precision, at least float32.
    """
    dtype = compute_dtype(denoiser)
    inputs: dict[str, Tensor] = {}
    noisy = x
    if cond.picture is not None:
        x = torch.cat([x, cond.picture.expand(x.shape[0], -1, -1, -1).to(x)], dim=1)
    if cond.embeds is not None:
        cond = cond.expand(x.shape[0])
        inputs["encoder_hidden_states"] = cond.text.to(dtype)
        if cond.pooled is not None and cond.time_ids is not None:
            inputs |= {"text_embeds": cond.pooled.to(dtype), "time_ids": cond.time_ids}
        if cond.guidance is not None and (width := guidance_width(denoiser)) is not None:
            inputs["timestep_cond"] = guidance_input(cond.guidance, width).to(dtype)
    taps: Sequence[Tap] = ()
    if cond.image_reader is not None and cond.image_prompt is not None:
        taps = cond.image_reader(denoiser, cond.image_prompt, cond.image_scale)
    runtime = None if taps else runtime
    output: Tensor | None = None
    keywords = as_keywords(inputs)
    if cond.controller is not None and cond.control is not None:
        runtime, keywords = None, {**keywords, **cond.controller(noisy.to(dtype), t, keywords, cond.control)}
    if runtime is not None and not _wants_gradient(x, *inputs.values()) and runtime.watch.is_untouched(denoiser):
        output = runtime.denoise(x.to(dtype), t, inputs)
        if output is not None:
            runtime.answers.answered()
    if output is None:
        with attached(denoiser, taps):
            output = by_torch(denoiser, x.to(dtype), t, keywords)
    assert output is not None
    return output.to(torch.promote_types(x.dtype, torch.float32))


def by_torch(denoiser: nn.Module, x: Tensor, t: Tensor, keywords: Mapping[str, Any]) -> Tensor:
    """Return the raw output of the network, called by PyTorch with ``keywords`` beside x and t."""
    output: Tensor = _as_it_is(denoiser)(x, t, **keywords, return_dict=False)[0]
    return output


def encode(vae: Any, image: Tensor, runtime: Runtime | None = None) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation (B, C, h, w), float32, of an autoencoder's posterior of an image."""
    if is_tiny(vae):  # it has no posterior, only a mean
        latents: Tensor = vae.encode(image.to(vae.dtype), return_dict=False)[0].float()
        return latents, torch.zeros_like(latents)
    if runtime is not None and not _wants_gradient(image) and runtime.watch.is_untouched(vae) and not _tiled(vae):
        moments = runtime.encode(vae, image)
        if moments is not None:
            return moments
    posterior = vae.encode(image.to(vae.dtype)).latent_dist
    return posterior.mean.float(), posterior.std.float()


def is_tiny(vae: Any) -> bool:
    """Whether an autoencoder is a small one made for previews (TAESD)."""
    return type(vae).__name__ == "AutoencoderTiny"


def decode(vae: Any, latent: Tensor, runtime: Runtime | None = None) -> Tensor:
    """Return the image (B, 3, H, W), float32, of an autoencoder's latent."""
    if runtime is not None and not _wants_gradient(latent) and runtime.watch.is_untouched(vae) and not _tiled(vae):
        image = runtime.decode(vae, latent)
        if image is not None:
            return image
    decoded: Tensor = vae.decode(latent.to(vae.dtype), return_dict=False)[0]
    return decoded.float()


def embed(network: Any, ids: Tensor, mask: Tensor | None, skip: int = 0, runtime: Runtime | None = None) -> Tensor:
    """Return float32 token states (B, L, D) of a text encoder without its last ``skip`` layers, normed as its last."""
    if runtime is not None and runtime.watch.is_untouched(network):
        states = runtime.embed(network, ids, mask, skip, pooled=False)
        if states is not None:
            return states[0]
    return text_states(network, ids, mask, skip)


def embed_pooled(network: Any, ids: Tensor, skip: int = 0, runtime: Runtime | None = None) -> tuple[Tensor, Tensor]:
    """Return float32 token states (B, L, D) before the last layer (and ``skip`` more), and the encoder's first output.

    That is the pooled embedding (B, P) where it has a projection, its last states elsewhere.
    """
    if runtime is not None and runtime.watch.is_untouched(network):
        outputs = runtime.embed(network, ids, None, skip, pooled=True)
        if outputs is not None:
            return outputs[0], outputs[1]
    return text_and_pooled(network, ids, skip)


def text_states(network: Any, ids: Tensor, mask: Tensor | None, skip: int) -> Tensor:
    """:func:`embed` by PyTorch."""
    if not skip:
        last: Tensor = network(ids, attention_mask=mask)[0]
        return last.float()
    states = network(ids, attention_mask=mask, output_hidden_states=True).hidden_states[-(skip + 1)]
    normed: Tensor = getattr(network, "text_model", network).final_layer_norm(states)
    return normed.float()


def text_and_pooled(network: Any, ids: Tensor, skip: int) -> tuple[Tensor, Tensor]:
    """:func:`embed_pooled` by PyTorch."""
    output = network(ids, output_hidden_states=True)
    return output.hidden_states[-(skip + 2)].float(), output[0].float()


def _as_it_is(network: Any) -> Any:
    """The network, or, where a user compiled it in place and something is attached to it, its call without the graph.

    A graph that was made before would run on without looking at what was attached since.
    """
    compiled = getattr(network, "_compiled_call_impl", None) is not None
    return network._call_impl if compiled and not is_untouched(network) else network


def _wants_gradient(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def _tiled(vae: Any) -> bool:
    return bool(getattr(vae, "use_tiling", False))
