"""Scumble: edit pictures with diffusion models; say where, how much, with what words, from which point to which.

Everything that is public is here, and in the packages ``maps``, ``energies`` and ``extras``. Importing this package
loads neither torch nor diffusers; a name is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.2.0"

if TYPE_CHECKING:
    from scumble import energies, maps
    from scumble.core.cost import Cost
    from scumble.editing.editor import Editor
    from scumble.editing.extend import Extension, extend
    from scumble.editing.redo import Redone, redo
    from scumble.editing.redo_chain import redo_chain
    from scumble.editing.result import Result
    from scumble.editing.session import Session
    from scumble.errors import CancelledError, CheckpointError, InputError, MemoryLimitError, MethodError, ScumbleError
    from scumble.inversion.inversion import Inversion
    from scumble.inversion.settings import InversionSettings
    from scumble.methods import extras
    from scumble.methods.asyrp.asyrp import Asyrp
    from scumble.methods.attention.pix2pix_zero import Pix2PixZero
    from scumble.methods.attention.plug_and_play import PlugAndPlay
    from scumble.methods.attention.prompt_to_prompt import PromptToPrompt
    from scumble.methods.content_cache import ContentCache
    from scumble.methods.drag.drag_diffusion import DragDiffusion
    from scumble.methods.drag.drag_noise import DragNoise
    from scumble.methods.drag.warp_drag import WarpDrag
    from scumble.methods.guidance.diffuseit import DiffuseIT
    from scumble.methods.guidance.self_guidance import SelfGuidance
    from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
    from scumble.methods.img2img.sdedit import SDEdit
    from scumble.methods.img2img.text_to_image import TextToImage
    from scumble.methods.inpainting.blended_diffusion import BlendedDiffusion
    from scumble.methods.inpainting.blended_latent_diffusion import BlendedLatentDiffusion
    from scumble.methods.inpainting.local_clip_guided_diffusion import LocalClipGuidedDiffusion
    from scumble.methods.inpainting.paint_by_word import PaintByWord
    from scumble.methods.instruct.instruct import Instruct
    from scumble.methods.inversion_based.cycle_diffusion import CycleDiffusion
    from scumble.methods.inversion_based.ddim_inversion import DDIMInversion
    from scumble.methods.inversion_based.ddpm_inversion import DDPMInversion
    from scumble.methods.inversion_based.ledits import LEdits
    from scumble.methods.progress import Progress
    from scumble.methods.words import Words
    from scumble.records.recipe import Recipe
    from scumble.records.request import Request
    from scumble.records.view import View
    from scumble.work.batch import batch
    from scumble.work.ledger import Ledger
    from scumble_lab.bench.describe import describe
else:
    from scumble.lazy import lazy_names
    from scumble.methods.registry import METHODS

    __getattr__, __dir__ = lazy_names(
        __name__,
        {where.partition(":")[2]: where for where in METHODS.values()}
        | {
            "CancelledError": "scumble.errors:CancelledError",
            "CheckpointError": "scumble.errors:CheckpointError",
            "ContentCache": "scumble.methods.reuse:ContentCache",
            "Cost": "scumble.core.cost:Cost",
            "Editor": "scumble.editing.editor:Editor",
            "extend": "scumble.editing.extend:extend",
            "Extension": "scumble.editing.extend:Extension",
            "InputError": "scumble.errors:InputError",
            "Inversion": "scumble.inversion.inversion:Inversion",
            "InversionSettings": "scumble.inversion.settings:InversionSettings",
            "Ledger": "scumble.work.ledger:Ledger",
            "MemoryLimitError": "scumble.errors:MemoryLimitError",
            "MethodError": "scumble.errors:MethodError",
            "Progress": "scumble.methods.progress:Progress",
            "Recipe": "scumble.records.recipe:Recipe",
            "redo": "scumble.editing.redo:redo",
            "redo_chain": "scumble.editing.redo_chain:redo_chain",
            "Redone": "scumble.editing.redo:Redone",
            "Request": "scumble.records.request:Request",
            "Result": "scumble.editing.result:Result",
            "Session": "scumble.editing.session:Session",
            "ScumbleError": "scumble.errors:ScumbleError",
            "View": "scumble.records.view:View",
            "Words": "scumble.methods.words:Words",
            "batch": "scumble.work.batch:batch",
            "describe": "scumble_lab.bench.describe:describe",
            "energies": "scumble.energies",
            "extras": "scumble.methods.extras",
            "maps": "scumble.maps",
        },
    )

__all__ = [
    "Asyrp",
    "BlendedDiffusion",
    "BlendedLatentDiffusion",
    "CancelledError",
    "CheckpointError",
    "ContentCache",
    "Cost",
    "CycleDiffusion",
    "DDIMInversion",
    "DDPMInversion",
    "DifferentialDiffusion",
    "DiffuseIT",
    "DragDiffusion",
    "DragNoise",
    "Editor",
    "Extension",
    "InputError",
    "Instruct",
    "Inversion",
    "InversionSettings",
    "LEdits",
    "Ledger",
    "LocalClipGuidedDiffusion",
    "MemoryLimitError",
    "MethodError",
    "PaintByWord",
    "Pix2PixZero",
    "PlugAndPlay",
    "Progress",
    "PromptToPrompt",
    "Recipe",
    "Redone",
    "Request",
    "Result",
    "Session",
    "SDEdit",
    "ScumbleError",
    "SelfGuidance",
    "TextToImage",
    "View",
    "WarpDrag",
    "Words",
    "__version__",
    "batch",
    "describe",
    "energies",
    "extend",
    "extras",
    "maps",
    "redo",
    "redo_chain",
]
