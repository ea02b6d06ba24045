from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from scumble.errors import MethodError
from scumble.models.taps import Site, Tap, attached, sites
from tests.support.tiny import make_pixel_unet, make_unet, state_of

CROSS = "down_blocks.0.attentions.0.transformer_blocks.0.attn2"
SELF = "up_blocks.1.attentions.0.transformer_blocks.0.attn1"


@pytest.fixture(scope="module")
def unet() -> Any:
    return make_unet().requires_grad_(False)


@pytest.fixture(scope="module")
def pixel_unet() -> Any:
    return make_pixel_unet().requires_grad_(False)


def call(unet: Any, x: Tensor, text: Tensor, **kwargs: Any) -> Tensor:
    return unet(x, torch.tensor(500), encoder_hidden_states=text, **kwargs).sample


@pytest.fixture
def inputs() -> tuple[Tensor, Tensor]:
    return torch.randn(2, 4, 8, 8), torch.randn(2, 5, 16)


def probs_of(unet: Any, site: str, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    seen: list[Tensor] = []
    with attached(unet, [Tap(site, seen.append, "probs")]):
        output = call(unet, *args, **kwargs)
    return output, seen[0]


def taps_everywhere() -> list[Tap]:
    return [
        Tap(CROSS, lambda p: None, "probs"),
        Tap(SELF, lambda p: None, "probs"),
        Tap("mid_block", lambda h: h * 1),
        Tap("down_blocks.0", lambda h: h * 1),
        Tap(f"{SELF}.to_q", lambda q: None),
    ]


def test_taps_leave_the_network_exactly_as_it_was(unet: Any, inputs: tuple[Tensor, Tensor]) -> None:
    before = state_of(unet)
    with attached(unet, taps_everywhere()):
        assert state_of(unet) != before
        call(unet, *inputs)
    assert state_of(unet) == before


def test_taps_leave_nothing_behind_after_an_exception_in_a_tap(unet: Any, inputs: tuple[Tensor, Tensor]) -> None:
    def fail(tensor: Tensor) -> None:
        raise RuntimeError("a tap fails")

    before = state_of(unet)
    for what in ("output", "probs"):
        failing = Tap(SELF, fail, what)  # type: ignore[arg-type]
        with pytest.raises(RuntimeError, match="a tap fails"), attached(unet, [*taps_everywhere(), failing]):
            call(unet, *inputs)
        assert state_of(unet) == before


def test_an_unknown_site_is_refused_with_the_nearest_and_leaves_nothing_behind(unet: Any) -> None:
    before = state_of(unet)
    bad = CROSS.replace("attn2", "attn3")
    for what in ("output", "probs"):
        with pytest.raises(MethodError, match="attn2"), attached(unet, [*taps_everywhere(), Tap(bad, print, what)]):  # type: ignore[arg-type]
            pass
        assert state_of(unet) == before


def test_probs_of_a_module_without_attention_are_refused(unet: Any) -> None:
    with pytest.raises(MethodError, match="no attention module"), attached(unet, [Tap("mid_block", print, "probs")]):
        pass


def test_probs_are_refused_behind_a_processor_that_does_more(unet: Any, inputs: tuple[Tensor, Tensor]) -> None:
    class Unusual:
        def __call__(self, *args: Any, **kwargs: Any) -> None: ...

    module = unet.get_submodule(CROSS)
    own = module.processor
    module.processor = Unusual()
    try:
        with pytest.raises(MethodError, match="Unusual"), attached(unet, [Tap(CROSS, print, "probs")]):
            pass
    finally:
        module.processor = own


def test_reading_gives_what_a_forward_hook_sees(unet: Any, inputs: tuple[Tensor, Tensor]) -> None:
    for site in ("up_blocks.0.resnets.1", "mid_block", "down_blocks.0", f"{SELF}.to_q", CROSS):
        seen: list[Tensor] = []
        hooked: list[Any] = []
        handle = unet.get_submodule(site).register_forward_hook(lambda m, a, out, to=hooked: to.append(out))
        plain = call(unet, *inputs)
        handle.remove()
        with attached(unet, [Tap(site, seen.append)]):
            tapped = call(unet, *inputs)
        expected = hooked[0] if isinstance(hooked[0], Tensor) else hooked[0][0]
        assert torch.equal(seen[0], expected)
        assert torch.equal(plain, tapped)


def test_overwriting_an_output_with_itself_changes_no_bit(unet: Any, inputs: tuple[Tensor, Tensor]) -> None:
    plain = call(unet, *inputs)
    for kind in ("resnet", "cross_attention", "self_attention", "down_block", "mid_block", "up_block"):
        with attached(unet, [Tap(site.path, lambda h: h.clone()) for site in sites(unet, kind)]):
            assert torch.equal(call(unet, *inputs), plain)


def test_overwriting_with_something_else_changes_the_result(unet: Any, inputs: tuple[Tensor, Tensor]) -> None:
    plain = call(unet, *inputs)
    for tap in (Tap("mid_block", lambda h: h + 1), Tap(CROSS, lambda p: p.roll(1, -1), "probs")):
        with attached(unet, [tap]):
            assert not torch.allclose(call(unet, *inputs), plain, atol=1e-5)


def test_taps_at_one_site_run_in_list_order(unet: Any, inputs: tuple[Tensor, Tensor]) -> None:
    for site, what in (("mid_block", "output"), (CROSS, "probs")):
        seen: list[Tensor] = []
        taps = [Tap(site, lambda h: h * 0 + 3, what), Tap(site, seen.append, what), Tap(site, lambda h: h * 0, what)]  # type: ignore[arg-type]
        with attached(unet, taps):
            call(unet, *inputs)
        assert bool((seen[0] == 3).all())


def test_nested_blocks_both_act_and_leave_one_after_the_other(unet: Any, inputs: tuple[Tensor, Tensor]) -> None:
    before = state_of(unet)
    outer: list[Tensor] = []
    inner: list[Tensor] = []
    with attached(unet, [Tap(CROSS, outer.append, "probs")]):
        with attached(unet, [Tap(CROSS, inner.append, "probs")]):
            call(unet, *inputs)
        call(unet, *inputs)
    assert len(outer) == 2
    assert len(inner) == 1
    assert torch.equal(outer[0], inner[0])
    assert state_of(unet) == before


@pytest.mark.parametrize("site", [CROSS, SELF])
def test_attention_with_open_probabilities_equals_the_fused_path(
    unet: Any, inputs: tuple[Tensor, Tensor], site: str
) -> None:
    output, probs = probs_of(unet, site, *inputs)
    assert torch.allclose(output, call(unet, *inputs), atol=1e-5)
    assert probs.shape == (2, 2, 64, 5 if site == CROSS else 64)
    assert torch.allclose(probs.sum(-1), torch.ones(()), atol=1e-5)
    assert bool((probs >= 0).all())


def test_attention_masks_count_with_open_probabilities(unet: Any, inputs: tuple[Tensor, Tensor]) -> None:
    mask = torch.tensor([[1, 1, 0, 1, 0], [1, 0, 0, 0, 0]])
    output, probs = probs_of(unet, CROSS, *inputs, encoder_attention_mask=mask)
    assert torch.allclose(output, call(unet, *inputs, encoder_attention_mask=mask), atol=1e-5)
    assert not torch.allclose(output, call(unet, *inputs), atol=1e-5)
    assert float(probs[0, :, :, 2].abs().max()) == 0


def test_every_attention_of_a_pixel_network_equals_its_fused_path(pixel_unet: Any) -> None:
    x, t = torch.randn(2, 3, 16, 16), torch.tensor([3, 700])
    found = sites(pixel_unet, "self_attention")
    assert [site.path for site in found] == [
        "down_blocks.1.attentions.0",
        "mid_block.attentions.0",
        "up_blocks.0.attentions.0",
        "up_blocks.0.attentions.1",
    ]
    seen: list[Tensor] = []
    with attached(pixel_unet, [Tap(site.path, seen.append, "probs") for site in found]):
        output = pixel_unet(x, t).sample
    assert torch.allclose(output, pixel_unet(x, t).sample, atol=1e-5)
    assert all(torch.allclose(p.sum(-1), torch.ones(()), atol=1e-5) for p in seen)
    assert {tuple(p.shape) for p in seen} == {(2, 4, 64, 64)}


@pytest.mark.parametrize(
    "options",
    [
        {"residual_connection": True, "rescale_output_factor": 1.7, "norm_num_groups": 4, "spatial": True},
        {"cross_attention_dim": 6, "cross_attention_norm": "layer_norm"},
        {"cross_attention_dim": 6, "upcast_attention": True, "upcast_softmax": True},
        {"qk_norm": "layer_norm"},
        {"cross_attention_dim": 6, "spatial_norm_dim": None, "out_bias": False, "bias": True},
        {"spatial_norm_dim": 3, "spatial": True, "residual_connection": True},
    ],
)
def test_every_option_of_the_attention_module_equals_its_fused_path(options: dict[str, Any]) -> None:
    from diffusers.models.attention_processor import Attention, AttnProcessor2_0

    spatial = options.pop("spatial", False)
    network = torch.nn.Sequential(
        Attention(query_dim=32, heads=2, dim_head=4, processor=AttnProcessor2_0(), **options)
    ).eval()
    x = torch.randn(2, 32, 3, 5) if spatial else torch.randn(2, 15, 32)
    text = torch.randn(2, 4, 6) if "cross_attention_dim" in options else None
    extra = {"temb": torch.randn(2, 3, 3, 5)} if options.get("spatial_norm_dim") else {}
    plain = network[0](x, encoder_hidden_states=text, **extra)
    with attached(network, [Tap("0", lambda p: None, "probs")]):
        opened = network[0](x, encoder_hidden_states=text, **extra)
    assert torch.allclose(opened, plain, atol=1e-5)


def test_a_leaf_put_in_by_a_tap_gets_the_gradient(unet: Any, inputs: tuple[Tensor, Tensor]) -> None:
    for site, what in (("mid_block", "output"), (f"{SELF}.to_k", "output"), (CROSS, "probs")):
        leaves: list[Tensor] = []

        def make_leaf(tensor: Tensor, to: list[Tensor] = leaves) -> Tensor:
            to.append(tensor.detach().clone().requires_grad_())
            return to[-1]

        with torch.enable_grad(), attached(unet, [Tap(site, make_leaf, what)]):  # type: ignore[arg-type]
            loss = call(unet, *inputs).square().sum()
        (gradient,) = torch.autograd.grad(loss, leaves)
        assert float(gradient.abs().max()) > 0


def test_what_a_tap_reads_carries_the_graph_of_the_input(unet: Any, inputs: tuple[Tensor, Tensor]) -> None:
    x, text = inputs
    x.requires_grad_()
    _, probs = probs_of(unet, SELF, x, text)
    (gradient,) = torch.autograd.grad(probs.square().sum(), x)
    assert float(gradient.abs().max()) > 0


def test_half_precision_probabilities_are_float32(inputs: tuple[Tensor, Tensor]) -> None:
    unet = make_unet().requires_grad_(False).to(torch.bfloat16)
    x, text = (tensor.to(torch.bfloat16) for tensor in inputs)
    output, probs = probs_of(unet, CROSS, x, text)
    assert probs.dtype == torch.float32
    assert output.dtype == torch.bfloat16
    assert torch.allclose(output, call(unet, x, text), atol=5e-2)


def test_sites_say_where_they_are_and_how_coarse(unet: Any, inputs: tuple[Tensor, Tensor]) -> None:
    prefix = "transformer_blocks.0"
    assert sites(unet, "cross_attention") == (
        Site(f"down_blocks.0.attentions.0.{prefix}.attn2", "cross_attention", "down", 1),
        Site(f"mid_block.attentions.0.{prefix}.attn2", "cross_attention", "mid", 2),
        Site(f"up_blocks.1.attentions.0.{prefix}.attn2", "cross_attention", "up", 1),
        Site(f"up_blocks.1.attentions.1.{prefix}.attn2", "cross_attention", "up", 1),
    )
    for kind in ("down_block", "mid_block", "up_block", "resnet", "self_attention"):
        for site in sites(unet, kind):
            seen: list[Tensor] = []
            with attached(unet, [Tap(site.path, seen.append)]):
                call(unet, *inputs)
            cells = seen[0].shape[-2] if kind == "self_attention" else seen[0].shape[-1] ** 2
            assert cells == (8 // site.divisor) ** 2, site


def test_sites_of_several_transformer_blocks_are_all_listed(sdxl_pipe: Any) -> None:
    paths = [site.path for site in sites(sdxl_pipe.unet, "cross_attention")]
    assert "down_blocks.1.attentions.0.transformer_blocks.1.attn2" in paths
    assert len(paths) == 2 + 2 + 4


def test_an_unknown_kind_of_site_is_refused(unet: Any) -> None:
    with pytest.raises(MethodError, match="cross_attention"):
        sites(unet, "cross_atention")
