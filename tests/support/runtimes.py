"""A runtime that answers with PyTorch itself, so that tests see what is asked of a runtime without a conversion."""

from __future__ import annotations

from torch import Tensor, nn

from scumble.models import forward
from scumble.models.base import Model
from scumble.models.runtime.answers import Answers
from scumble.models.runtime.inputs import as_keywords
from scumble.models.runtime.untouched import Watch

__all__ = ["Echo"]


class Echo:
    """Answers every call, by the same networks."""

    name = "echo"
    version = "1"
    remark = ""

    def __init__(self, model: Model, precision: str = "float32") -> None:
        self.model, self.precision, self.answers, self.watch = model, precision, Answers(), Watch()

    def begin(self, steps: int) -> None:
        self.answers = Answers()

    def denoise(self, x: Tensor, t: Tensor, inputs: dict[str, Tensor]) -> Tensor:
        return self.model.denoiser(x, t, **as_keywords(inputs), return_dict=False)[0]

    def encode(self, vae: nn.Module, image: Tensor) -> tuple[Tensor, Tensor]:
        return forward.encode(vae, image)

    def decode(self, vae: nn.Module, latent: Tensor) -> Tensor:
        return forward.decode(vae, latent)

    def embed(
        self, network: nn.Module, ids: Tensor, mask: Tensor | None, skip: int, pooled: bool
    ) -> tuple[Tensor, ...]:
        return (
            forward.text_and_pooled(network, ids, skip) if pooled else (forward.text_states(network, ids, mask, skip),)
        )
