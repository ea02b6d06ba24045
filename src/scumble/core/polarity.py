"""The meaning of white in a change map."""

from typing import Literal

__all__ = ["Polarity"]

Polarity = Literal["white-changes", "white-keeps"]
