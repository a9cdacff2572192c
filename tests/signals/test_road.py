"""Roads: the ISO 8608 spectrum, the golden quarter car, the stated levels."""

from __future__ import annotations

import numpy as np
import pytest

from crumple.signals.road import BELGIAN_BLOCKS, GRAVEL, QuarterCar, RoadSpec, displacement_psd_m3, road_g


def golden() -> QuarterCar:
    one = np.ones((1, 1))
    return QuarterCar(300 * one, 45 * one, 63.3 * 300 * one, 6.0 * 300 * one, 653 * 300 * one)


def test_the_spectrum_is_the_standards() -> None:
    assert displacement_psd_m3(np.array([0.1]), "C")[0] == pytest.approx(256e-6)
    assert displacement_psd_m3(np.array([1.0]), "C")[0] == pytest.approx(2.56e-6)


def test_the_quarter_car_follows_slow_roads_and_filters_fast_ones() -> None:
    body, wheel = golden().transfer(np.array([0.01, 100.0]))
    assert abs(body[0, 0]) == pytest.approx(1.0, abs=0.01) and abs(wheel[0, 0]) == pytest.approx(1.0, abs=0.01)
    assert abs(body[0, 1]) < 0.01


def test_the_quarter_car_agrees_with_integration_in_time() -> None:
    car, hz = golden(), 8.0
    expected = abs(car.transfer(np.array([hz]))[0][0, 0])
    m, u, k, c, t = (
        float(v[0, 0])
        for v in (car.sprung_kg, car.unsprung_kg, car.spring_n_per_m, car.damper_n_s_per_m, car.tyre_n_per_m)
    )
    dt, zs, zu, vs, vu, peak = 1e-5, 0.0, 0.0, 0.0, 0.0, 0.0
    for step in range(300_000):
        road = np.sin(2 * np.pi * hz * step * dt)
        link = k * (zs - zu) + c * (vs - vu)
        vs -= link / m * dt
        vu += (link - t * (zu - road)) / u * dt
        zs += vs * dt
        zu += vu * dt
        if step > 250_000:
            peak = max(peak, abs(zs))
    assert peak == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("spec", [GRAVEL, BELGIAN_BLOCKS])
def test_levels_are_as_stated(spec: RoadSpec) -> None:
    lengthwise, vertical, speed = road_g(spec, 60, np.random.default_rng(0), 0.48)
    rms = np.sqrt((lengthwise**2).mean(axis=1))
    assert rms.min() > 0.6 * spec.rms_g[0] and rms.max() < 1.5 * spec.rms_g[1]
    assert np.abs(lengthwise.mean(axis=1)).max() < 1e-9 and np.isfinite(vertical).all()
    assert speed.min() >= spec.speed_kmh[0] and speed.max() <= spec.speed_kmh[1]
