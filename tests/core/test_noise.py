"""Noise is a function of seed, stream and step: nothing else, and always standard normal."""

from __future__ import annotations

import itertools

import pytest
import torch

from scumble.core.noise import CounterNoise, GeneratorNoise

SHAPE = (3, 4, 6, 5)


def test_a_sample_has_the_same_noise_in_every_batch_and_order() -> None:
    together = CounterNoise([7, 8, 9]).normal(SHAPE, "step", 4)
    for i, seed in enumerate([7, 8, 9]):
        assert torch.equal(CounterNoise([seed]).normal((1, *SHAPE[1:]), "step", 4)[0], together[i])
    backwards = CounterNoise([9, 8, 7]).normal(SHAPE, "step", 4)
    assert torch.equal(backwards.flip(0), together)


def test_the_order_and_the_number_of_draws_do_not_matter() -> None:
    one, other = CounterNoise([7, 8, 9]), CounterNoise([7, 8, 9])
    first = [one.normal(SHAPE, "step", i) for i in range(4)]
    other.normal(SHAPE, "start", 0)
    last = [other.normal(SHAPE, "step", i) for i in reversed(range(4))]
    assert all(torch.equal(a, b) for a, b in zip(first, reversed(last), strict=True))


def test_the_global_generator_is_neither_read_nor_moved() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one = CounterNoise([5]).normal((1, 8), "step", 0)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(CounterNoise([5]).normal((1, 8), "step", 0), one)


def test_seeds_streams_and_steps_each_give_other_noise() -> None:
    draws = [
        CounterNoise([seed]).normal((1, 64), stream, step)
        for seed in (0, 1, 11, -1, 2**40)
        for stream in ("start", "step", "1", "step/1", "1/step", "1step", "step1")
        for step in (0, 1, 11)
    ]
    for a, b in itertools.combinations(draws, 2):
        assert (a - b).abs().max() > 0.1


def test_streams_are_uncorrelated() -> None:
    size = (1, 100, 100)
    a = CounterNoise([3]).normal(size, "start", 0).flatten()
    for seed, stream, step in [(4, "start", 0), (3, "step", 0), (3, "start", 1)]:
        b = CounterNoise([seed]).normal(size, stream, step).flatten()
        assert abs(float(torch.corrcoef(torch.stack([a, b]))[0, 1])) < 0.04


def test_noise_is_standard_normal_float32_on_the_cpu() -> None:
    noise = CounterNoise(range(4)).normal((4, 4, 64, 64), "step", 2)
    assert (noise.dtype, noise.device.type, noise.shape) == (torch.float32, "cpu", (4, 4, 64, 64))
    assert float(noise.mean()) == pytest.approx(0, abs=0.015)
    assert float(noise.std()) == pytest.approx(1, abs=0.01)
    assert float(noise.pow(4).mean()) == pytest.approx(3, abs=0.12)
    assert float((noise.abs() < 1).float().mean()) == pytest.approx(0.6827, abs=0.006)


def test_noise_is_float32_whatever_the_default_type() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        assert CounterNoise([1]).normal((1, 4), "step").dtype == torch.float32
        assert GeneratorNoise(torch.Generator()).normal((1, 4), "step").dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)


def test_select_gives_the_noise_of_those_samples() -> None:
    source = CounterNoise([7, 8, 9])
    part = source.select(1, 3)
    assert torch.equal(part.normal((2, *SHAPE[1:]), "step", 1), source.normal(SHAPE, "step", 1)[1:3])


def test_a_shape_of_another_batch_is_refused() -> None:
    with pytest.raises(ValueError, match=r"4 samples .* 3 seeds"):
        CounterNoise([1, 2, 3]).normal((4, 2), "step")


def test_generator_noise_draws_one_after_the_other_whatever_the_stream() -> None:
    source = GeneratorNoise(torch.Generator().manual_seed(6))
    drawn = [source.normal((2, 3), "start", 0), source.normal((2, 3), "step", 5), source.normal((2, 3), "step", 5)]
    generator = torch.Generator().manual_seed(6)
    assert all(torch.equal(d, torch.randn((2, 3), generator=generator)) for d in drawn)
    assert not torch.equal(drawn[1], drawn[2])
    assert source.select(0, 1) is source
