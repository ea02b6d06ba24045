"""CycleDiffusion beside edit-friendly inversion."""

from __future__ import annotations

from scumble.inversion.settings import InversionSettings
from scumble.methods.inversion_for import inversion_for
from scumble.models.base import Model
from tests.support.inverting import N, job_of


def test_a_naive_inversion_keeps_less_of_the_picture_s_structure_than_an_edit_friendly_one(tiny_sd: Model) -> None:
    found = {}
    for kind in ("edit-friendly", "naive"):
        zs = inversion_for(job_of(tiny_sd), InversionSettings(kind=kind, num_inference_steps=N, skip=0.0)).zs  # type: ignore[arg-type]
        assert zs is not None
        found[kind] = float(zs[:4].var())
    assert found["edit-friendly"] > 1.5 * found["naive"]
