"""Structural ringing: damped modes struck at contact events, carrying no momentum.

A mode answers a blow at ``t0`` with the *velocity* ``A/w * exp(-z w t) * (1 - exp(-4 f t)) * sin(w t)``, and the
acceleration is the exact difference of that velocity over a sample. Velocity is faded to zero before the end,
so the sum of the acceleration is zero: energy leaves as ringing, momentum does not change.
"""

from __future__ import annotations

import numpy as np

from crumple.units import G0_MPS2

from .trace import Float

BLOCK = 16
FADE_S = 0.020
"""Length of the fade to rest before the end; assumed."""


def ringing_g(
    amplitude_g: Float,
    frequency_hz: Float,
    damping: Float,
    start_s: Float,
    *,
    n_samples: int,
    dt_s: float,
) -> Float:
    """Sum of struck modes.

    Parameters
    ----------
    amplitude_g : ndarray, shape (n_events, n_blows, n_modes)
        Amplitude that each blow gives each mode, signed; 0 for a blow that does not happen.
    frequency_hz, damping : ndarray, shape (n_events, n_modes)
    start_s : ndarray, shape (n_events, n_blows)
        Time of each blow from the first sample, not negative.
    n_samples : int
    dt_s : float

    Returns
    -------
    ndarray of float32, shape (n_events, n_samples)
        In g; the sum over samples is zero to rounding.
    """
    n_events, n_blows, n_modes = amplitude_g.shape
    n_blocks = -(-(n_samples + 1) // BLOCK) + 1
    omega = 2 * np.pi * frequency_hz
    rate = -damping * omega + 1j * omega
    # (1 - exp(-4 f t)) makes two damped oscillations out of each: m/s in units of g s.
    poles = np.concatenate([rate, rate - 4 * frequency_hz], axis=1)
    swing = amplitude_g / omega[:, None, :]
    struck = np.concatenate([swing, -swing], axis=2)

    start = np.maximum(start_s, 0.0) / dt_s
    block = np.minimum((start // BLOCK).astype(np.int64), n_blocks - 1)
    rows = np.arange(n_events)

    # Each blow, carried back to the start of its block: what it will be follows by turning it on.
    # A blow after the last block is never heard; carried back from far away it would not be finite.
    offset_s = np.minimum(start - block * BLOCK, BLOCK) * dt_s
    origin = (struck * np.exp(-poles[:, None, :] * offset_s[:, :, None])).astype(np.complex64)
    step = np.exp(poles * (BLOCK * dt_s)).astype(np.complex64)
    arriving = np.zeros((n_events, n_blocks + 1, 2 * n_modes), dtype=np.complex64)
    for blow in range(n_blows):
        arriving[rows, block[:, blow] + 1] += origin[:, blow] * step
    state = np.empty((n_events, n_blocks, 2 * n_modes), dtype=np.complex64)
    state[:, 0] = arriving[:, 0]
    for k in range(1, n_blocks):
        state[:, k] = state[:, k - 1] * step + arriving[:, k]

    turn = np.exp(poles[:, :, None] * (np.arange(BLOCK) * dt_s)).astype(np.complex64)
    sine = np.concatenate([turn.imag, turn.real], axis=1)
    # Imaginary part of state * turn as one real product.
    velocity = np.concatenate([state.real, state.imag], axis=2) @ sine
    # A blow inside a block sounds for the rest of that block only.
    young = np.concatenate([origin.real, origin.imag], axis=2) @ sine
    young *= np.arange(BLOCK)[None, None, :] * dt_s > offset_s[:, :, None]
    for blow in range(n_blows):
        velocity[rows, block[:, blow]] += young[:, blow]

    flat = velocity.reshape(n_events, n_blocks * BLOCK)[:, : n_samples + 1]
    n_fade = min(n_samples, round(FADE_S / dt_s))
    flat[:, -n_fade - 1 :] *= (0.5 + 0.5 * np.cos(np.linspace(0.0, np.pi, n_fade + 1))).astype(np.float32)
    flat[:, -1] = 0.0
    result: Float = np.diff(flat, axis=1)
    result *= np.float32(1.0 / dt_s)
    return result


def carried_mps(decel_g: Float, dt_s: float) -> Float:
    """Velocity that a signal carries away in m/s: its sum times ``dt_s`` (s); shape ``decel_g.shape[:-1]``."""
    total: Float = decel_g.sum(axis=-1, dtype=np.float64) * (dt_s * G0_MPS2)
    return total
