"""Phase domains of a thin film under a beam, in two and three dimensions.

The sets of Lee et al. (2026), section 4.3.  Its 3D recipe is taken as written.  For its 2D set the
paper refers to Yu et al., npj Comput. Mater. 10, 24 (2024), and gives no formula: the two kinds here
are this package's reading of it and stay as they are.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..numerics.grids import pixels
from ..plugins.options import option
from .base import ObjectSet
from .geometry import Ellipse, ball_volume, in_ball
from .seeds import uniforms

SOFT_EDGE = 0.15
"""Where the paper cuts its Gaussian beam off, relative to the middle."""

PEAK_DEVIATIONS = 5
"""The maximum of ten thousand objects of 50 blobs, in standard deviations of their field."""

GEOMETRY_NUMBERS = 3  # uniform numbers at the head of each object's stream: orientation, aspect, fill


@dataclass(frozen=True)
class Domains(ObjectSet):
    """Domains of random place and phase in an ellipse."""

    domains: int = option(50, "domains in the support", ge=1, le=10_000)
    width: float = option(1.0, "standard deviation of a blob relative to the radius of a mean domain", gt=0, le=10)
    orientation: float = option(45.0, "angle of the ellipse from the array's first axis to its second (degrees)", ge=-180, le=180)

    @abstractmethod
    def ellipse(self, u: NDArray[np.float64]) -> Ellipse:
        """The supports' ellipse, from uniform numbers (objects, GEOMETRY)."""

    def _draw(self, seed: int, numbers: range) -> tuple[Ellipse, NDArray[np.float64], NDArray[np.float32]]:
        """The ellipse, the domains' middles in its unit ball (objects, domains, axes), their phases (objects, domains)."""
        d = len(self.shape)
        drawn = uniforms(seed, numbers, GEOMETRY_NUMBERS + self.domains * (d + 1))
        u = drawn[:, GEOMETRY_NUMBERS:].reshape(len(numbers), self.domains, d + 1)
        return self.ellipse(drawn[:, :GEOMETRY_NUMBERS]), in_ball(u[..., :d]), (2 * np.pi * u[..., d]).astype(np.float32)

    def _blobs(self, ellipse: Ellipse, middles: NDArray, phases: NDArray) -> NDArray[np.complex64]:
        """Σ exp(iφ) exp(−|r − r₀|²/2w²), divided by TOP times its standard deviation.

        w is `width` times the radius of a mean domain, a disc or ball of 1/`domains` of the ellipse; with
        it ⟨|Σ|²⟩ is known beforehand, so that no object's scale depends on which others are made.
        """
        d, objects = len(self.shape), len(middles)
        w = self.width * (np.prod(ellipse.semi, axis=1) / self.domains) ** (1 / d)
        deviation = np.sqrt(np.pi ** (d / 2) / ball_volume(d) * self.width**d)
        *profiles, last = (
            np.exp(-((np.arange(n) - n // 2 - r0[..., None]) ** 2) / (2 * w[:, None, None] ** 2), dtype=np.float32)
            for n, r0 in zip(self.shape, np.moveaxis(ellipse.place(middles), 2, 0), strict=True)
        )
        parts = np.stack([np.cos(phases), np.sin(phases)], axis=1) / np.float32(PEAK_DEVIATIONS * deviation)
        for profile in profiles:  # (objects, ..., domains) gains an axis of the array
            parts = (parts[:, :, None] * profile.swapaxes(1, 2)[:, None]).reshape(objects, -1, self.domains)
        real, imaginary = np.moveaxis((parts @ last).reshape(objects, 2, *self.shape), 1, 0)
        return real + 1j * imaginary


@dataclass(frozen=True)
class Domains2D(Domains):
    """Domains of a film under an elongated beam on the diagonal, after Lee et al. (2026).

    *blobs*: a sum of Gaussians of random phase, cut off at the ellipse: the paper's 3D recipe in 2D.
    *cells*: Voronoi cells of constant random phase under a Gaussian beam of peak 1, which is `edge`
    at the support's rim: flat blocks with sharp steps, as the paper sees in its film.
    *both*: the even objects of *blobs* and the odd ones of *cells*.

    `vary` is for training: every object then has its own ellipse, of any orientation, an aspect
    between 1 and 2·aspect − 1 and a fill within half of `fill` on either side.
    """

    kind: str = option("both", "blobs, cells, or both in turn", choices=("blobs", "cells", "both"))
    size: int = option(64, "pixels along each axis", ge=16)
    fill: float = option(0.16, "share of the array that the ellipse fills; 0.16 oversamples twice an axis", gt=0, le=0.45)
    aspect: float = option(1.8, "long axis of the ellipse over its short one", ge=1, le=10)
    edge: float = option(SOFT_EDGE, "amplitude of the beam over cells at the rim of the ellipse", gt=0, le=1)
    stretch: bool = option(False, "stretch the cells as the ellipse is, like a film seen at a grazing angle")
    vary: bool = option(False, "draw orientation, aspect and fill of each object at random")

    def __post_init__(self) -> None:
        super().__post_init__()
        largest = np.array([[0.0, 1.0, 1.0]])  # of those drawn at random, along an axis
        reach = self.ellipse(largest).reach.max()
        if reach > self.size / 2:
            raise InputError(
                f"fill={self.fill:g}, aspect={self.aspect:g}: the ellipse reaches {reach:.0f} px from the middle of "
                f"{self.size} px{', varied as asked' if self.vary else ''}; lower one of them"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one object."""
        return (self.size, self.size)

    @property
    def kinds(self) -> tuple[str, ...]:
        """*blobs* and *cells*, where they are made in turn."""
        return ("blobs", "cells") if self.kind == "both" else ()

    def ellipse(self, u: NDArray[np.float64]) -> Ellipse:
        """The supports' ellipse, from uniform numbers (objects, GEOMETRY)."""
        angle, aspect, fill = np.array([[np.radians(self.orientation)], [self.aspect], [self.fill]])
        if self.vary:
            turn, longer, larger = u.T
            angle, aspect, fill = np.pi * turn, 1 + 2 * (self.aspect - 1) * longer, self.fill * (0.5 + larger)
        short = self.size * np.sqrt(fill / (np.pi * aspect))
        return Ellipse(np.stack([short * aspect, short], axis=1), angle)

    def generate(self, seed: int, numbers: range) -> tuple[NDArray[np.complex64], NDArray[np.bool_]]:
        """The objects of these numbers and their supports, each (objects, *shape)."""
        if self.kind == "both":
            return self._in_turn(seed, numbers)
        ellipse, middles, phases = self._draw(seed, numbers)
        radius2 = np.sum(ellipse.inside(self.shape) ** 2, axis=0)
        support = np.broadcast_to(radius2 <= 1, (len(numbers), *self.shape))
        if self.kind == "blobs":
            return self._blobs(ellipse, middles, phases) * support, support
        where = np.any(support, axis=0)
        x = np.zeros(support.shape, np.complex64)
        x[:, where] = self._cells(where, ellipse, middles, phases)
        return x * np.where(support, self.edge**radius2, 0).astype(np.float32), support

    def _cells(self, where: NDArray, ellipse: Ellipse, middles: NDArray, phases: NDArray) -> NDArray[np.complex64]:
        """exp(iφ) of the nearest middle, (objects, pixels), at the pixels `where` (*shape) is True: Voronoi cells."""
        r, r0 = ellipse.inside(self.shape), middles
        if not self.stretch:
            r, r0 = pixels(self.shape)[:, None], ellipse.place(middles)
        nearness = np.float32(0)  # r·r₀ − |r₀|²/2, (objects, pixels, domains)
        for along, middle in zip(r[..., where].astype(np.float32), np.moveaxis(r0, 2, 0).astype(np.float32), strict=True):
            nearness = nearness + middle[:, None] * (along[..., None] - middle[:, None] / 2)
        phase = np.take_along_axis(phases, nearness.argmax(axis=2), axis=1)
        return np.cos(phase) + 1j * np.sin(phase)

    def _in_turn(self, seed: int, numbers: range) -> tuple[NDArray[np.complex64], NDArray[np.bool_]]:
        x = np.empty((len(numbers), *self.shape), np.complex64)
        support = np.empty(x.shape, bool)
        for remainder, kind in enumerate(self.kinds):
            part = slice((remainder - numbers.start) % 2, None, 2)
            if mine := numbers[part]:
                x[part], support[part] = dataclasses.replace(self, kind=kind).generate(seed, mine)
        return x, support


@dataclass(frozen=True)
class Domains3D(Domains):
    """Gaussian blobs of random place and phase in an ellipsoid: the 3D set of Lee et al. (2026), section 4.3.

    The support is a Gaussian with σ = (6, 10, 8) px of an array of 32³, scaled with the array, above 0.15.
    *literal* reads that Gaussian as exp(−r²/2σ²): it fills 0.45 of the box and touches its walls, and
    its autocorrelation wraps all over.  *fits* reads it as exp(−r²/σ²): it fills 0.16, six voxels
    measured for each unknown.

    `vary` is for training: every object then has its own ellipsoid, at any in-plane angle, between a ball and one
    longer still than the preset's, and of 0.5 to 1.2 of its volume.
    """

    preset: str = option("fits", "how the beam's Gaussian is read", choices=("fits", "literal"))
    size: int = option(32, "pixels along each axis", ge=16)
    vary: bool = option(False, "draw angle, elongation and volume of each object's ellipsoid at random")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one object."""
        return (self.size,) * 3

    def ellipse(self, u: NDArray[np.float64]) -> Ellipse:
        """The supports' ellipsoids, from uniform numbers (objects, GEOMETRY); one for all objects unless they vary."""
        sigma = np.array([[6.0, 10.0, 8.0]]) * self.size / 32
        reading = {"literal": 2, "fits": 1}[self.preset]
        semi = sigma * np.sqrt(reading * np.log(1 / SOFT_EDGE))
        if not self.vary:
            return Ellipse(semi, np.array([np.radians(self.orientation)]))
        turn, longer, larger = u.T
        radius = np.prod(semi) ** (1 / 3)
        elongated = (semi / radius) ** (1.2 * longer[:, None])
        return Ellipse(radius * np.cbrt(0.5 + 0.7 * larger[:, None]) * elongated, np.pi * turn)

    def generate(self, seed: int, numbers: range) -> tuple[NDArray[np.complex64], NDArray[np.bool_]]:
        """The objects of these numbers and their supports, each (objects, *shape)."""
        ellipse, middles, phases = self._draw(seed, numbers)
        support = np.broadcast_to(np.sum(ellipse.inside(self.shape) ** 2, axis=0) <= 1, (len(numbers), *self.shape))
        return self._blobs(ellipse, middles, phases) * support, support
