"""What a method sees of an image, and the way back: one for each window."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from scumble.images import Picture, Window, describe_map, load_map, to_image, to_tensor
from scumble.methods.base import ImageMethod, Method
from scumble.models.base import Model

__all__ = ["Prepared"]


@dataclass(frozen=True)
class Prepared:
    """One window of an image at the model's size.

    Attributes:
        window: Which part, and how it came to the model's size.
        picture: The whole image as it was given; None: made from nothing.
        change: The change map at the image's size (1 or B, 1, H, W); None: everything may change.
        image: The window at the model's size (1, 3, h, w) in [-1, 1], or None.
        window_change: The change map of the window at the model's size (1 or B, 1, h, w), or None.
        notices: One-line remarks.
    """

    window: Window
    picture: Picture | None = None
    change: Tensor | None = None
    image: Tensor | None = None
    window_change: Tensor | None = None
    notices: tuple[str, ...] = ()

    @classmethod
    def of(cls, model: Model, picture: Picture, method: Method, window: Window) -> Prepared:
        """Bring an image and the method's change map to the model's size.

        Raises:
            InputError: If the change map cannot be read or does not fit the image.
        """
        change, notices = None, list[str]()
        if isinstance(method, ImageMethod) and method.change_map is not None:
            change, notices = load_map(method.change_map, picture.rgb.size, polarity=method.polarity)
            change = method.prepare_map(change)
            notices = [*notices, describe_map(change)]
        image = window.apply(to_tensor(picture.rgb)).to(model.device)
        small = None if change is None else window.apply_map(change).to(model.device)
        return cls(window, picture, change, image, small, tuple(notices))

    @property
    def untouched(self) -> bool:
        """Whether the change map lets nothing change."""
        return self.change is not None and not bool(self.change.any())

    def change_of(self, first: int, stop: int) -> Tensor | None:
        """Return the window's change map for the candidates ``first:stop``."""
        small = self.window_change
        return small if small is None or small.shape[0] == 1 else small[first:stop]

    def back(self, pictures: Tensor) -> list[Image.Image]:
        """Return pictures (B, 3, h, w) of the model's size at the image's own."""
        return to_image(self.window.undo(pictures.cpu()))
