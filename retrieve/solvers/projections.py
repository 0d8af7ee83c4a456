"""The projection algorithms. P_M: `fit_modulus`; m = P_M x; P_S: the constraint; R = 2P − 1.

Most are x⁺ = a·x + b·m + e·P_S(c·x + d·m) and declare `Coefficients(a, b, c, d, e)`; the others define `update`.
A unified review is Marchesini, Rev. Sci. Instrum. 78, 011301 (2007).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ..numerics.arrays import Array, namespace, select
from ..numerics.fast.loops import PixelStep, SecondProjection
from ..plugins.options import option
from ..problem import Problem
from .coefficients import Coefficients
from .constraint import Constraint
from .iterative import Iterative
from .shrinkwrap import blur

P = Problem


@dataclass(frozen=True)
class ER(Iterative):
    """Error reduction: x ← P_S P_M x."""

    name: ClassVar[str] = "er"
    source: ClassVar[str] = "Gerchberg & Saxton, Optik 35, 237 (1972); Fienup, Opt. Lett. 3, 27 (1978)"

    def coefficients(self) -> Coefficients:
        """P_S m."""
        return Coefficients(a=0, b=0, c=0, d=1, e=1)


@dataclass(frozen=True)
class SF(Iterative):
    """Solvent flipping: x ← R_S P_M x."""

    name: ClassVar[str] = "sf"
    source: ClassVar[str] = "Abrahams & Leslie, Acta Cryst. D 52, 30 (1996)"

    def coefficients(self) -> Coefficients:
        """2P_S m − m."""
        return Coefficients(a=0, b=-1, c=0, d=1, e=2)


@dataclass(frozen=True)
class HIO(Iterative):
    """Hybrid input-output: x ← P_M x where it satisfies the constraint, x − β P_M x elsewhere."""

    name: ClassVar[str] = "hio"
    source: ClassVar[str] = "Fienup, Appl. Opt. 21, 2758 (1982)"
    beta: float = option(0.9, "feedback outside the constraint", gt=0, le=2)

    def update(self, x: Array, m: Array, project: Constraint, problem: P, t: float) -> Array:
        """Where the constraint allows m: m; elsewhere x − βm."""
        outside = -self.beta * m
        outside += x
        return namespace(x).where(project.allows(m), m, outside)

    def pixelwise(self) -> PixelStep:
        """The same two pairs of weights of x and m; the constraint is tested on m."""
        return PixelStep(inside=(0, 1), outside=(1, -self.beta), tested=(0, 1))


@dataclass(frozen=True)
class PCHIO(HIO):
    """Phase-constrained hybrid input-output: HIO whose constraint includes a range of phase."""

    name: ClassVar[str] = "pchio"
    source: ClassVar[str] = "Harder et al., New J. Phys. 12, 035019 (2010)"
    phase_min: float | None = option(-math.pi / 2, "lowest phase of the object, rad", ge=-math.pi, le=math.pi)
    phase_max: float | None = option(math.pi / 2, "highest phase of the object, rad", ge=-math.pi, le=math.pi)


@dataclass(frozen=True)
class RAAR(Iterative):
    """Relaxed averaged alternating reflections: x ← (β/2)(R_S R_M + 1)x + (1−β)P_M x."""

    name: ClassVar[str] = "raar"
    source: ClassVar[str] = "Luke, Inverse Probl. 21, 37 (2005)"
    beta: float = option(0.9, "relaxation; 1 is ASR", gt=0, le=1)

    def coefficients(self) -> Coefficients:
        """With R_M x = 2m − x: β(x + P_S(2m − x) − m) + (1−β)m = βx + (1−2β)m + βP_S(2m − x)."""
        return Coefficients(a=self.beta, b=1 - 2 * self.beta, c=-1, d=2, e=self.beta)


@dataclass(frozen=True)
class HPR(Iterative):
    """Hybrid projection reflection: x ← ½[R_S(R_M + (β−1)P_M) + 1 + (1−β)P_M]x."""

    name: ClassVar[str] = "hpr"
    source: ClassVar[str] = "Bauschke, Combettes & Luke, J. Opt. Soc. Am. A 20, 1025 (2003)"
    beta: float = option(0.9, "relaxation; 1 is ASR", gt=0, le=1)

    def coefficients(self) -> Coefficients:
        """With z = (1+β)m − x: ½(2P_S z − z + x + (1−β)m) = x − βm + P_S z."""
        return Coefficients(a=1, b=-self.beta, c=-1, d=1 + self.beta, e=1)


@dataclass(frozen=True)
class ASR(Iterative):
    """Averaged successive reflections: x ← ½(R_S R_M + 1)x."""

    name: ClassVar[str] = "asr"
    source: ClassVar[str] = "Bauschke, Combettes & Luke, J. Opt. Soc. Am. A 19, 1334 (2002)"

    def coefficients(self) -> Coefficients:
        """x − m + P_S(2m − x)."""
        return Coefficients(a=1, b=-1, c=-1, d=2, e=1)


@dataclass(frozen=True)
class DM(Iterative):
    """Difference map: x ← x + β(P_S f_M x − P_M f_S x), f_M = (1+1/β)P_M − 1/β, f_S = (1−1/β)P_S + 1/β."""

    name: ClassVar[str] = "dm"
    source: ClassVar[str] = "Elser, J. Opt. Soc. Am. A 20, 40 (2003)"
    beta: float = option(0.9, "step; its sign may be either", ge=-2, le=2)

    def coefficients(self) -> Coefficients | None:
        """β = 1: P_M f_S x = m, which leaves x − m + P_S(2m − x). β = 0: x. Any other β takes a second P_M."""
        if self.beta == 0:
            return Coefficients(a=1, b=0, c=0, d=1, e=0)
        return Coefficients(a=1, b=-1, c=-1, d=2, e=1) if self.beta == 1 else None

    def update(self, x: Array, m: Array, project: Constraint, problem: P, t: float) -> Array:
        """x + β(P_S((1+g)m − gx) − P_M((1−g)P_S x + gx)) with g = 1/β."""
        if self.coefficients() is not None:
            return super().update(x, m, project, problem, t)
        g = 1 / self.beta
        second = problem.fit_modulus((1 - g) * project(x) + g * x)
        return x + self.beta * (project((1 + g) * m - g * x) - second)

    def pixelwise(self) -> PixelStep:
        """The same: x + βP_S((1+g)m − gx) by coefficients, and −βP_M of x inside the support and gx outside."""
        numbers = self.coefficients()
        if numbers is not None:
            return numbers.pixelwise()
        g = 1 / self.beta
        first = Coefficients(a=1, b=0, c=-g, d=1 + g, e=self.beta).pixelwise()
        second = SecondProjection(inside=(1, 0), outside=(g, 0), weights=(-self.beta, -self.beta))
        return first._replace(tested=None, second_projection=second)


@dataclass(frozen=True)
class RRR(Iterative):
    """Relaxed reflect-reflect: x ← x + β(P_S R_M x − P_M x)."""

    name: ClassVar[str] = "rrr"
    source: ClassVar[str] = "Elser, Lan & Bendory, SIAM J. Imaging Sci. 11, 2429 (2018)"
    beta: float = option(0.5, "step", gt=0, lt=2)

    def coefficients(self) -> Coefficients:
        """x + β(P_S(2m − x) − m)."""
        return Coefficients(a=1, b=-self.beta, c=-1, d=2, e=self.beta)


@dataclass(frozen=True)
class OSS(HIO):
    """Oversampling smoothness: HIO, then the density outside the support is low-pass filtered.

    The Gaussian filter exp(−q²/2α²) narrows in ten stages, α falling linearly from N to 1/N. It sees
    the density outside alone: filtering the object with it lets the object bleed over its edge.
    """

    name: ClassVar[str] = "oss"
    source: ClassVar[str] = "Rodriguez et al., J. Appl. Cryst. 46, 312 (2013)"
    finish_transforms: ClassVar[int] = 2

    def finish(self, x: Array, support: Array, t: float) -> Array:
        """Inside the HIO value, outside the HIO value filtered; W(α) in q is a blur of N/2πα pixels in r."""
        n = max(x.shape[1:])
        alpha = n + (1 / n - n) * math.floor(10 * t) / 9
        smooth = blur(select(support, None, x), n / (2 * math.pi * alpha), spent=True)
        return select(support, x, smooth, out=x)


ALGORITHMS: dict[str, type[Iterative]] = {c.name: c for c in (ER, SF, HIO, PCHIO, RAAR, HPR, ASR, DM, RRR, OSS)}
