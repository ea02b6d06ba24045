"""What papers claim and this world can check: named experiments, each with its verdict and its figures."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path

from scumble.errors import CheckpointError, InputError, MethodError, nearest
from scumble.hashing import sha256
from scumble_lab.bench.claims.base import Bench, Claim, Finding
from scumble_lab.bench.models_in_use import Workshop
from scumble_lab.bench.verdicts import Verdict, read_verdicts, save_verdict

__all__ = ["CLAIMS", "check"]


def _later(module: str, name: str) -> Callable[[Bench], Finding]:
    """The experiment, imported when it is run."""

    def experiment(bench: Bench) -> Finding:
        import importlib

        finding: Finding = getattr(importlib.import_module(f"scumble_lab.bench.claims.{module}"), name)(bench)
        return finding

    return experiment


_DIFFERENTIAL, _FRIENDLY, _BLENDED, _NOISE = (
    "arXiv 2306.00950", "arXiv 2304.06140", "arXiv 2111.14818", "arXiv 2404.01050"
)  # fmt: skip
_ALL = (
    Claim("map-reliability", "The change follows a graded map far better than with img2img or masked blending.",
          _DIFFERENTIAL, _later("maps", "map_reliability")),
    Claim("map-adherence", "The measured change looks like the map, more than with a mask.", _DIFFERENTIAL,
          _later("maps", "adherence")),
    Claim("future-hinting", "Putting back all unreleased pixels at every step gives better pictures.", _DIFFERENTIAL,
          _later("maps", "future_hinting")),
    Claim("guidance-follows-map", "The change follows a map better where guidance grows with it.", "of this library",
          _later("maps", "guidance_follows")),
    Claim("strength-fan", "More strength is more change, step by step.", _DIFFERENTIAL, _later("maps", "strength_fan")),
    Claim("edit-friendly-noise", "Edit-friendly noise maps have more variance, and consecutive ones point apart.",
          _FRIENDLY, _later("noise", "edit_friendly_noise")),
    Claim("reconstruction", "Edit-friendly inversion leads back exactly, DDIM inversion does not.", _FRIENDLY,
          _later("noise", "reconstruction")),
    Claim("edit-friendly-preserves", "It keeps more than DDIM inversion and SDEdit at no less success.", _FRIENDLY,
          _later("noise", "edit_friendly_preserves"), reads_results=True),
    Claim("edit-friendly-diversity", "Other draws give other edits; DDIM inversion has one only.", _FRIENDLY,
          _later("noise", "edit_friendly_diversity")),
    Claim("augmentations", "Guiding by several augmented views shows the words better than by one.", _BLENDED,
          _later("regions", "augmentations")),
    Claim("ranking", "The candidate that CLIP ranks first is better than the last.", _BLENDED,
          _later("regions", "ranking")),
    Claim("blending-hides-seams", "Blending at every step leaves less of a seam than pasting at the end.", _BLENDED,
          _later("regions", "blending_hides_seams"), reads_results=True),
    Claim("objects-move", "Dragged objects arrive, against doing nothing.", _NOISE,
          _later("drags", "objects_move"), reads_results=True),
    Claim("drag-noise-cost", "DragNoise costs less than DragDiffusion.", _NOISE,
          _later("drags", "drag_noise_cost"), reads_results=True),
    Claim("drag-start-step", "Step 35 of 50 is the best place to drag.", _NOISE, _later("drags", "start_step")),
    Claim("drag-layer", "The bottleneck is the best layer to drag.", _NOISE, _later("drags", "layers")),
    Claim("drag-propagation", "Giving the dragged bottleneck back early undoes the drag.", _NOISE,
          _later("drags", "propagation")),
    Claim("drag-lora", "A LoRA of the picture keeps more of it in a drag.", "arXiv 2306.14435",
          _later("drags", "lora")),
    Claim("places-two-changes", "Two changes come out more often by a prompt for each place than by one for both.",
          "of this library", _later("words", "places_beside_one_prompt")),
    Claim("ledits-two-changes", "Two changes come out more often added, each where it is found, than by one prompt.",
          "arXiv 2311.16711", _later("words", "ledits_beside_one_prompt")),
    Claim("word-maps", "Masked methods succeed within 5 points as often in a word map as in a painted region.",
          "of this library", _later("words", "word_maps")),
    Claim("rules-of-guidance", "A rule of guidance succeeds more often than the usual one, over four methods.",
          "of this library", _later("words", "guiders")),
    Claim("asyrp-linearity", "The change grows in proportion to the strength of a direction.", "arXiv 2210.10960",
          _later("hspace", "linearity")),
)  # fmt: skip

CLAIMS: dict[str, Claim] = {claim.name: claim for claim in _ALL}
"""All experiments by name."""


def check(
    folder: Path, names: str, count: int, workshop: Workshop, again: bool = False, scores: Path | None = None
) -> Iterator[Verdict]:
    """Run experiments one by one and file each verdict; those filed with this count and these weights are kept.

    Those that read the benchmark's results, or the scores that a report has kept of them, are always made anew. An
    experiment that fails is filed as one that cannot be checked, with the reason.

    Raises:
        InputError: for an unknown name.
    """
    filed = {verdict.name: verdict for verdict in read_verdicts(folder)}
    chosen, bench = _named(names), Bench(folder, workshop, count, scores)
    weights = _weights(bench)
    for claim in chosen:
        old = filed.get(claim.name)
        fresh = again or claim.reads_results or old is None or not old.figures
        if old is not None and not fresh and (old.count, old.weights) == (count, weights):
            yield old
            continue
        finding = _found(claim, bench)
        verdict = Verdict(
            name=claim.name,
            statement=claim.statement,
            paper=claim.paper,
            verdict=finding.verdict,
            reason=finding.reason,
            figures={key: None if math.isnan(value) else value for key, value in finding.figures.items()},
            plot=finding.plot,
            count=count,
            weights=weights,
        )
        save_verdict(folder, verdict)
        yield verdict


def _found(claim: Claim, bench: Bench) -> Finding:
    try:
        return claim.experiment(bench)
    except (CheckpointError, MethodError, InputError) as error:
        return Finding("cannot be checked here", str(error))
    except Exception as error:
        return Finding("cannot be checked here", f"the experiment failed: {type(error).__name__}: {error}")


def _weights(bench: Bench) -> str:
    """Hash of all that an experiment may depend on: both models, the guiding CLIP, the judges."""
    parts = [bench.workshop.guide, bench.judges.fingerprint]
    for pixels in (False, True):
        with contextlib.suppress(CheckpointError):
            parts.append(bench.editor(pixels).model.weights_hash)
    return sha256(" ".join(parts))[:16]


def _named(given: str) -> list[Claim]:
    if given == "all":
        return list(CLAIMS.values())
    names = [name.strip() for name in given.split(",") if name.strip()]
    for name in names:
        if name not in CLAIMS:
            raise InputError(f"unknown claim {name!r}{nearest(name, CLAIMS)}; known: {', '.join(CLAIMS)}")
    return [CLAIMS[name] for name in names]
