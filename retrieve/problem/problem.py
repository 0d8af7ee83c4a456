"""The problem: the measurement, and prior knowledge of the object."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..numerics import fast
from ..numerics.arrays import TINY, Array, Device, like, namespace, to_numpy
from ..operators import FarField, Operator
from ..plugins.shown import as_html, as_png
from .autocorrelation import extent, islands, may_be_real, widths
from .checks import check_content, check_measurement, checked_array, checked_support, usable_pixels
from .likelihood import Gaussian, Likelihood
from .meta import check_meta
from .words import centred_intensity, text_of

NLL_POINTS = 1 << 18
"""Points whose negative log-likelihood is taken at once."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Find x with |A x|² ≈ amplitude² on the valid pixels.

    Parameters
    ----------
    amplitude : float32 (*shape)
        √ of the measured intensity, zero frequency at index 0; 0 where not valid.
    valid : bool (*shape)
        True where measured.
    operator
        A, from objects (batch, *in_shape) to far fields.
    likelihood
        The noise.
    support : bool (*in_shape) or None
        True where the object may be; None if unknown. The object is centred at N//2.
    truth : complex64 (*in_shape) or None
        The known object. No solver looks at it.
    meta
        Wavelength, voxel size, source, steps taken.
    detector
        Linear map of |A x|² to the measured intensity (binning, partial coherence), or None.
    """

    amplitude: Array
    valid: Array
    operator: Operator
    likelihood: Likelihood = field(default_factory=Gaussian)
    support: Array | None = None
    truth: Array | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    detector: Operator | None = None

    __repr__, _repr_html_, _repr_png_, data = text_of, as_html, as_png, property(centred_intensity)

    @classmethod
    def from_arrays(
        cls,
        *,
        intensity: ArrayLike | None = None,
        amplitude: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        support: ArrayLike | None = None,
        truth: ArrayLike | None = None,
        meta: Mapping[str, Any] | None = None,
        likelihood: Likelihood | None = None,
        centred: bool = True,
        bad_pixels: str = "error",
    ) -> Problem:
        """Make a far-field problem from arrays (*shape) of two or three axes.

        Parameters
        ----------
        intensity, amplitude
            The measurement I or √I: one of them.
        mask
            True (1) where measured. By default every pixel is.
        support, truth, meta, likelihood
            As in the class. The noise is `Gaussian` by default.
        centred
            True if the peak is at N//2, as on disk; False if zero frequency is at index 0.
        bad_pixels
            "mask" makes NaN, infinite and negative values unmeasured; "error" raises.

        Raises
        ------
        InputError
            For values that are no measurement, shapes that differ, and impossible facts in `meta`.
        """
        if (intensity is None) == (amplitude is None):
            raise InputError("give either intensity= or amplitude=, one of them")
        name, data = ("amplitude", np.asarray(amplitude)) if intensity is None else ("intensity", np.asarray(intensity))
        check_measurement(name, data.dtype, data.shape)
        valid = np.ones(data.shape, bool) if mask is None else checked_array(mask, data.shape, "mask", bool)
        valid = usable_pixels(valid, np.isfinite(data), data < 0, name, bad_pixels == "mask")
        data = np.where(valid, data, 0)
        with np.errstate(over="ignore", under="ignore"):
            power = float(np.sum(data if amplitude is None else np.square(data, dtype=np.float64), dtype=np.float64))
        check_content(name, int(valid.sum()), valid.size, power)
        data = np.sqrt(data, dtype=np.float32) if amplitude is None else data.astype(np.float32, copy=False)
        return cls(
            amplitude=np.fft.ifftshift(data) if centred else data,
            valid=np.fft.ifftshift(valid) if centred else valid,
            operator=FarField(data.shape),
            likelihood=likelihood or Gaussian(),
            support=None if support is None else checked_support(support, data.shape),
            truth=None if truth is None else checked_array(truth, data.shape, "truth", np.complex64),
            meta=check_meta(meta, data.shape),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """The object's shape."""
        return self.operator.in_shape

    @cached_property
    def power(self) -> Array:
        """Σ of the measured intensity over the valid pixels, a 0-d array."""
        return namespace(self.amplitude).sum(self._measured**2)

    @cached_property
    def extent(self) -> tuple[float, ...]:
        """The object's extent along each axis, pixels: the support's, or half the autocorrelation's."""
        if self.support is not None:
            return tuple(float(width) for width in widths(to_numpy(self.support)))
        return extent(to_numpy(self.amplitude), to_numpy(self.valid))

    @property
    def speckle_size(self) -> tuple[float, ...]:
        """The width of a speckle along each axis, detector pixels: array over object extent, also the oversampling."""
        return tuple(n / size for n, size in zip(self.amplitude.shape, self.extent, strict=True))

    @cached_property
    def _measured(self) -> Array:
        """The amplitude, exactly 0 on pixels that are not valid, whatever was stored there."""
        xp = namespace(self.amplitude)
        return xp.where(self.valid, self.amplitude, xp.zeros_like(self.amplitude))

    @cached_property
    def _weight(self) -> Array:
        return namespace(self.valid).astype(self.valid, self.amplitude.dtype)

    @cached_property
    def _free(self) -> Array | None:
        """1 where unmeasured, None when every pixel was measured."""
        return 1 - self._weight if not bool(namespace(self.valid).all(self.valid)) else None

    def intensity(self, x: Array) -> Array:
        """The intensity P (batch, *shape) of x (batch, *in_shape) on the detector."""
        return self._detect(self.operator.forward(x))

    def _detect(self, field_: Array) -> Array:
        p = namespace(field_).abs(field_) ** 2
        if self.detector is None:
            return p
        self.operator.spend(self.detector.transforms * p.shape[0])
        return self.detector.forward(p)

    def modulus(self, x: Array) -> Array:
        """The amplitude √P (batch, *shape) of x (batch, *in_shape) on the detector."""
        return self._modulus(self.operator.forward(x))

    def _modulus(self, f: Array) -> Array:
        """√P, the amplitude expected from the field f, in an array of its own."""
        xp = namespace(f)
        return xp.abs(f) if self.detector is None else xp.sqrt(xp.clip(self._detect(f), min=0))

    def fit_modulus(self, x: Array) -> Array:
        """Project x (batch, *in_shape) on the measured modulus: P_M x. Phases and unmeasured pixels keep the model's values.

        Without a detector operator the projection is x − ∇ ½Σ_valid(|A x| − y)². With one, the field is scaled by
        √(measured/expected), which keeps its amplitude bounded.
        """
        threads = self.operator.fourier
        if threads is not None and self.detector is None:
            m = fast.fit_modulus(x, self.amplitude, self.valid, threads)
            if m is not None:
                self.operator.spend(2 * len(x))
                return m
        f = self.operator.forward(x)
        modulus = self._modulus(f)
        modulus += TINY
        ratio = self._measured / modulus
        if self._free is not None:
            ratio += self._free
        return self._scaled(x, f, ratio)

    def proximal(self, x: Array, r: Array | float) -> Array:
        """Find argmin over z of nll(z) + ‖A(z − x)‖²/2r²: `fit_modulus` tempered by the noise.

        r is the uncertainty of x in units of the amplitude, a number or (batch, 1, …); r → ∞ gives `fit_modulus`.
        """
        f = self.operator.forward(x)
        modulus = self._modulus(f) + TINY
        ratio = self.likelihood.proximal(modulus, self._measured, r) / modulus
        if self._free is not None:
            ratio = ratio * self._weight + self._free
        return self._scaled(x, f, ratio)

    def _scaled(self, x: Array, f: Array, ratio: Array) -> Array:
        """The object x with its far field f scaled by a ratio on the detector; f is overwritten."""
        gain = ratio if self.detector is None else self.detector.distribute(ratio)
        if self.operator.isometry:
            f *= gain
            return self.operator.adjoint(f)
        return x + self.operator.adjoint(f * (gain - 1))

    def nll(self, x: Array) -> Array:
        """The negative log-likelihood (batch,) of x (batch, *in_shape)."""
        return self.nll_of(self.operator.forward(x))

    def nll_of(self, f: Array) -> Array:
        """The negative log-likelihood (batch,) of the far field f = A x."""
        return sum((self.likelihood.total(p, self.amplitude[at], self.valid[at]) for at, p in self.slabs(f)), start=0.0)

    def slabs(self, f: Array) -> Iterator[tuple[Any, Array]]:
        """The intensity of f = A x in parts, each with its place: a likelihood makes many arrays of the size of its argument."""
        whole = None if self.detector is None else self._detect(f)
        rows, pixels = self.amplitude.shape[0], math.prod(self.amplitude.shape)
        thickness = max(1, NLL_POINTS * rows // pixels)
        for first in range(0, rows, thickness):
            part = slice(first, min(first + thickness, rows))
            yield (part, ...), self._detect(f[:, part, ...]) if whole is None else whole[:, part, ...]

    def nll_gradient(self, x: Array) -> Array:
        """∂nll/∂Re x + i ∂nll/∂Im x, of the shape of x (batch, *in_shape)."""
        return self.operator.adjoint(self.field_gradient(self.operator.forward(x)))

    def field_gradient(self, f: Array) -> Array:
        """The gradient with respect to the far field f = A x: 2 f·Dᵀ(valid·∂nll/∂P)."""
        xp = namespace(f)
        slope = self.likelihood.derivative(xp.clip(self._detect(f), min=0), self._measured) * self._weight
        if self.detector is not None:
            self.operator.spend(self.detector.transforms * f.shape[0])
            slope = self.detector.adjoint(slope)
        return f * (2 * slope)

    def misfit(self, x: Array) -> Array:
        """(√P − √I)² of each pixel (batch, *shape) for x (batch, *in_shape); meaningless where not valid."""
        misfit = self._modulus(self.operator.forward(x)) - self._measured
        misfit *= misfit
        return misfit

    def r_factor(self, x: Array) -> Array:
        """The R factor Σ_valid(√P − √I)²/Σ_valid I, (batch,), of x (batch, *in_shape)."""
        misfit = self.misfit(x) * self._weight
        return namespace(x).sum(misfit, axis=tuple(range(1, misfit.ndim))) / self.power

    def hold_out(self, fraction: float, rng: np.random.Generator) -> tuple[Problem, Array]:
        """Make islands of a speckle's size unmeasured, for a test of the fit on pixels that it never saw.

        Parameters
        ----------
        fraction
            Share of the valid pixels.
        rng
            Draws the islands.

        Returns
        -------
        Problem
            With the amplitudes of these pixels erased.
        bool (*shape)
            The held-out pixels.
        """
        held = self.islands(fraction, rng)
        return self.without(held), like(held, self.valid)

    def islands(self, fraction: float, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Islands of a speckle's size, bool (*shape), on a share of the valid pixels; if the object may be real, also at −q."""
        y, valid = to_numpy(self.amplitude), to_numpy(self.valid)
        return islands(valid, self.speckle_size, fraction, rng, may_be_real(y, valid, self.likelihood))

    def without(self, pixels: NDArray[np.bool_]) -> Problem:
        """The problem with these pixels, bool (*shape), zero frequency first, unmeasured and their amplitudes erased."""
        xp, keep = namespace(self.amplitude), self.valid & like(~pixels, self.valid)
        return self.replace(valid=keep, amplitude=xp.where(keep, self.amplitude, xp.zeros_like(self.amplitude)))

    def replace(self, **changes: Any) -> Problem:
        """A copy with some fields changed."""
        return replace(self, **changes)

    def to(self, device: Device) -> Problem:
        """The problem with its arrays on `device`, without the truth."""
        return self.replace(
            amplitude=device.put(self.amplitude),
            valid=device.put(self.valid),
            support=device.put(self.support),
            operator=self.operator.to(device),
            detector=self.detector and self.detector.to(device),
            truth=None,
        )
