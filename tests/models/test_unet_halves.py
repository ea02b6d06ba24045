from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.errors import MethodError
from scumble.models.forward import denoise
from scumble.models.taps import Tap, attached
from scumble.models.unet_halves import decode_half, decode_until, encode_half
from tests.support.tiny import make_pixel_unet, make_unet, state_of

Case = tuple[Any, Tensor, Tensor, Conditioning]


def sd_case() -> Case:
    return make_unet(), torch.randn(2, 4, 8, 8), torch.tensor(400), Conditioning(torch.randn(2, 5, 16))


def odd_case() -> Case:
    """Sides that the downsampling does not divide: the network passes sizes of its skip connections around."""
    return make_unet(), torch.randn(2, 4, 7, 9), torch.tensor([400, 20]), Conditioning(torch.randn(1, 5, 16))


def sdxl_case() -> Case:
    unet = make_unet(
        transformer_layers_per_block=(1, 2),
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=12 + 24,
    )
    ids = torch.tensor([[64.0, 64, 0, 0, 64, 64]]).repeat(2, 1)
    return (
        unet,
        torch.randn(2, 4, 8, 8),
        torch.tensor(400),
        Conditioning(torch.randn(2, 5, 16), torch.randn(2, 12), ids),
    )


def pixel_case() -> Case:
    return make_pixel_unet(), torch.randn(2, 3, 16, 16), torch.tensor([3, 900]), Conditioning()


CASES = [sd_case, odd_case, sdxl_case, pixel_case]


@pytest.mark.parametrize("make", CASES)
def test_both_halves_together_equal_the_whole_network_bit_for_bit(make: Callable[[], Case]) -> None:
    unet, x, t, cond = make()
    with torch.no_grad():
        whole = denoise(unet, x, t, cond)
        cache = encode_half(unet, x, t, cond)
        output, seen = decode_half(unet, cache, cache.h)
    assert output is not None
    assert torch.equal(output, whole)
    assert seen == {}


@pytest.mark.parametrize("make", CASES)
def test_the_gradient_with_respect_to_h_equals_that_of_the_whole_network(make: Callable[[], Case]) -> None:
    unet, x, t, cond = make()
    unet.requires_grad_(False)
    leaf: list[Tensor] = []

    def make_leaf(h: Tensor) -> Tensor:
        leaf.append(h.detach().clone().requires_grad_())
        return leaf[0]

    with torch.enable_grad(), attached(unet, [Tap("mid_block", make_leaf)]):
        (expected,) = torch.autograd.grad(denoise(unet, x, t, cond).square().sum(), leaf)
    cache = encode_half(unet, x, t, cond)
    assert not cache.h.requires_grad
    h = cache.h.clone().requires_grad_()
    output, _ = decode_half(unet, cache, h)
    assert output is not None
    (gradient,) = torch.autograd.grad(output.square().sum(), h)
    assert torch.equal(gradient, expected)


@pytest.mark.parametrize("make", CASES)
def test_stopping_early_gives_the_same_activation_and_skips_the_rest(make: Callable[[], Case]) -> None:
    unet, x, t, cond = make()
    whole: list[Tensor] = []
    with torch.no_grad(), attached(unet, [Tap("up_blocks.0", whole.append)]):
        denoise(unet, x, t, cond)
    later: list[Tensor] = []
    cache = encode_half(unet, x, t, cond)
    with torch.no_grad():
        seen = decode_until(unet, cache, cache.h, "up_blocks.0", taps=[Tap("up_blocks.1", later.append)])
    assert torch.equal(seen["up_blocks.0"], whole[0])
    assert later == []


def test_the_encoder_does_not_run_again_in_the_second_half() -> None:
    unet, x, t, cond = sd_case()
    cache = encode_half(unet, x, t, cond)
    seen: list[Tensor] = []
    taps = [Tap(site, seen.append) for site in ("down_blocks.0.resnets.0", "mid_block.resnets.0")]
    decode_half(unet, cache, cache.h, taps=taps)
    assert seen == []


def test_the_decoder_does_not_run_in_the_first_half() -> None:
    unet, x, t, cond = sd_case()
    seen: list[Tensor] = []
    encode_half(unet, x, t, cond, taps=[Tap("up_blocks.0.resnets.0", seen.append)])
    assert seen == []


def test_several_activations_are_read_on_the_way() -> None:
    unet, x, t, cond = sd_case()
    cache = encode_half(unet, x, t, cond)
    output, seen = decode_half(unet, cache, cache.h, read=("up_blocks.0", "up_blocks.1.resnets.0"))
    assert output is not None
    assert set(seen) == {"up_blocks.0", "up_blocks.1.resnets.0"}


def test_nothing_is_left_behind_also_after_exceptions() -> None:
    unet, x, t, cond = sd_case()
    before = state_of(unet)
    cache = encode_half(unet, x, t, cond)
    assert state_of(unet) == before
    decode_until(unet, cache, cache.h, "up_blocks.0")
    assert state_of(unet) == before

    def fail(tensor: Tensor) -> None:
        raise RuntimeError("a tap fails")

    with pytest.raises(RuntimeError, match="a tap fails"):
        encode_half(unet, x, t, cond, taps=[Tap("down_blocks.1", fail)])
    with pytest.raises(RuntimeError, match="a tap fails"):
        decode_half(unet, cache, cache.h, taps=[Tap("up_blocks.1", fail)])
    with pytest.raises(MethodError):
        decode_until(unet, cache, cache.h, "up_blocks.7")
    assert state_of(unet) == before


def test_a_site_of_the_encoder_cannot_end_the_second_half() -> None:
    unet, x, t, cond = sd_case()
    cache = encode_half(unet, x, t, cond)
    with pytest.raises(MethodError, match="does not run in the decoder"):
        decode_until(unet, cache, cache.h, "down_blocks.0.resnets.0")
    with pytest.raises(MethodError, match=r"before 'up_blocks\.0'"):
        decode_until(unet, cache, cache.h, "up_blocks.0", read=("up_blocks.1",))
