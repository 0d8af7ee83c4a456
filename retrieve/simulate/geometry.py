"""Pixel positions, directions, rotations and ellipses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..numerics.grids import pixels


def object_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape, if an object can be made in it. Raises InputError otherwise."""
    if len(shape) not in (2, 3) or min(shape) < 8:
        raise InputError(f"shape={tuple(shape)} cannot hold an object; give two or three axes of at least 8 pixels")
    return tuple(int(n) for n in shape)


def unit_vectors(number: int, d: int, rng: np.random.Generator) -> NDArray:
    """Directions (number, d), evenly spread."""
    v = rng.normal(size=(number, d))
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def rotation(d: int, rng: np.random.Generator) -> NDArray:
    """A random orthonormal basis, one vector a row."""
    q, r = np.linalg.qr(rng.normal(size=(d, d)))
    return (q * np.sign(np.diag(r))).T


def ball_volume(d: int) -> float:
    """The area of the unit disc or the volume of the unit ball."""
    return {2: np.pi, 3: 4 * np.pi / 3}[d]


def in_ball(u: NDArray) -> NDArray:
    """Uniform numbers (..., d) in [0, 1) as points evenly spread in the unit disc or ball, (..., d)."""
    d = u.shape[-1]
    angle = 2 * np.pi * u[..., 1]
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    if d == 3:
        height = 2 * u[..., 2:] - 1
        circle = np.concatenate([circle * np.sqrt(1 - height**2), height], axis=-1)
    return circle * u[..., :1] ** (1 / d)


class Ellipse(NamedTuple):
    """Ellipses or ellipsoids in the middle of an array, one for each object or one for all of them.

    semi: semi-axes, px (objects or 1, axes).
    angle: rotation from the first axis of the array to the second, rad (objects or 1).
    """

    semi: NDArray[np.float64]
    angle: NDArray[np.float64]

    @property
    def reach(self) -> NDArray[np.float64]:
        """Half of the box around it, px (objects or 1, axes)."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        a, b = self.semi[:, 0], self.semi[:, 1]
        return np.stack([np.hypot(a * c, b * s), np.hypot(a * s, b * c), *self.semi[:, 2:].T], axis=1)

    def inside(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Map the pixels into the unit ball that the ellipse stretches, (axes, objects or 1, *shape)."""
        semi, c, s = (v.reshape(*v.shape, *[1] * len(shape)) for v in (self.semi.T, np.cos(self.angle), np.sin(self.angle)))
        x, y, *rest = (np.broadcast_to(r, (len(self.semi), *shape)) for r in pixels(shape))
        return np.stack([c * x + s * y, c * y - s * x, *rest]) / semi

    def place(self, points: NDArray) -> NDArray:
        """Map points (objects, points, axes) of the unit ball into the ellipse, px from the centre."""
        c, s = np.cos(self.angle)[:, None], np.sin(self.angle)[:, None]
        x, y, *rest = np.moveaxis(points * self.semi[:, None], 2, 0)
        return np.stack([c * x - s * y, s * x + c * y, *rest], axis=2)
