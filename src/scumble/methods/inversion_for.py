"""The inversion a method needs: the given one, checked and extended, or a new one made as the settings say."""

from __future__ import annotations

from scumble.inversion.inversion import Inversion
from scumble.inversion.official import inversion_rules
from scumble.inversion.settings import InversionSettings
from scumble.methods.batch import EditBatch
from scumble.methods.cache import Key
from scumble.methods.computed_inversion import ResolvedSettings, computed_inversion
from scumble.methods.defaults import default_skip
from scumble.methods.given_inversion import use_given

__all__ = ["INVERSION", "inversion_for"]

INVERSION: Key[Inversion] = Key("inversion")
"""The one that all candidates share."""


FIELDS = {
    "kind": "trajectory",
    "num_inference_steps": "num_inference_steps",
    "skip": "skip",
    "prompt": "source_prompt",
    "guidance_scale": "source_guidance_scale",
    "eta": "eta",
}
"""Setting -> field of methods that leave it to the default."""


def inversion_for(batch: EditBatch, settings: InversionSettings, shared: bool = False) -> Inversion:
    """Return the inversion that was given with the batch, or compute one.

    An inversion that all candidates share is made once per edit, and kept in ``batch.cache``.

    Args:
        job: The batch.
        settings: How to invert, and what a given inversion must agree with.
        shared: One path for all candidates, that of the first seed; else each has its own (ddim has only one).

    Raises:
        InputError: If the given inversion does not fit the settings, the model, its levels or the image's shape.
        MethodError: If it is of another kind than the method needs.
    """
    if batch.inversion is not None:
        return use_given(batch, settings, batch.inversion)
    resolved = _resolved(batch, settings)
    if not (shared or resolved.kind == "ddim"):
        return computed_inversion(batch, resolved, batch.noise, batch.count)
    if resolved.kind != "ddim":
        batch.say_shared("the inversion")
    return batch.cache.get_or_make(INVERSION, lambda: computed_inversion(batch, resolved, batch.first_noise, 1))


def _resolved(batch: EditBatch, settings: InversionSettings) -> ResolvedSettings:
    kind = settings.kind or "edit-friendly"
    skip = inversion_rules(settings.compat).skip
    if skip is None or kind == "ddim":
        skip = default_skip(batch.model, kind)
    steps = batch.default_steps
    defaults = {"num_inference_steps": steps, "skip": skip, "prompt": "", "guidance_scale": 1.0, "eta": 1.0}
    missing = {name: value for name, value in defaults.items() if getattr(settings, name) is None}
    fixed = {"kind": kind, **({"eta": 0.0} if kind == "ddim" else {})}
    resolved = ResolvedSettings(**{**settings.model_dump(), **missing, **fixed})
    for name, called in FIELDS.items():
        batch.use(called, getattr(resolved, name))
    return resolved
