"""Where the picture is taken from, and how world points and picture positions map onto each other.

The world is right-handed with `z` up; the floor is `z = 0`, and the camera looks along growing `y`.
Picture positions run from 0 to 1, `u` to the right and `v` down.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera at `(x, y, z)` that looks at `(look_x, 0, look_z)`.

    `lens` is the tangent of half the field of view. `pan_x` and `pan_y` slide the picture over the
    image plane, in picture widths (right and down are positive): a panned picture continues the
    unpanned one pixel for pixel, as outpainting must.
    """

    x: float = 0.0
    y: float = -5.0
    z: float = 2.2
    look_x: float = 0.0
    look_z: float = 1.2
    lens: float = 0.36
    pan_x: float = 0.0
    pan_y: float = 0.0

    @property
    def eye(self) -> Array:
        """Position, (3,)."""
        return np.array([self.x, self.y, self.z])

    def axes(self) -> Array:
        """Unit vectors right, up and forward as the rows of a (3, 3) array."""
        fx, fy, fz = self.look_x - self.x, -self.y, self.look_z - self.z
        flat, length = np.hypot(fx, fy), np.sqrt(fx * fx + fy * fy + fz * fz)
        fx, fy, fz, sx, sy = fx / length, fy / length, fz / length, fy / flat, -fx / flat
        return np.array([[sx, sy, 0.0], [sy * fz, -sx * fz, sx * fy - sy * fx], [fx, fy, fz]])

    def project(self, points: Array) -> Array:
        """Picture positions (N, 2) of world points (N, 3); NaN for points behind the camera."""
        right, up, depth = self.axes() @ (points - self.eye).T
        scale = 0.5 / (self.lens * np.where(depth > 1e-6, depth, np.nan))
        return np.stack([0.5 + right * scale - self.pan_x, 0.5 - up * scale - self.pan_y], axis=-1)

    def ground(self, u: float, v: float) -> tuple[float, float] | None:
        """The floor point `(x, y)` seen at a picture position; None above the horizon."""
        right, up, forward = self.axes()
        a, b = (2 * (u + self.pan_x) - 1) * self.lens, (1 - 2 * (v + self.pan_y)) * self.lens
        ray = forward + a * right + b * up
        if ray[2] > -1e-6:
            return None
        point = self.eye - ray * (self.z / ray[2])
        return float(point[0]), float(point[1])

    def unpanned(self) -> Camera:
        """The same camera with its picture back in the middle."""
        return replace(self, pan_x=0.0, pan_y=0.0) if self.pan_x or self.pan_y else self
