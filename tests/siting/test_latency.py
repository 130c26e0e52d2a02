"""Latency: delays of routes, whether a limit binds, and the limit that would."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import box

from gis.errors import UsageError
from siting.city_pack import load_pack
from siting.latency import (
    check_limit,
    latencies_ms,
    latency_fact,
    limit_fact,
    one_way_latency_ms,
    reach_m,
    widest_distance_m,
)

CITY = box(0.0, 0.0, 81_000.0, 108_000.0)
"""135 km wide."""


def test_delay_is_propagation_and_hops() -> None:
    assert one_way_latency_ms(135_000.0) == pytest.approx(0.992, abs=5e-4)
    # Zhengzhou to Qingyang, Hami and Beijing, as the crow flies, at the factors of long routes.
    assert one_way_latency_ms(554_000.0, 2.1) == pytest.approx(5.7, abs=0.05)
    assert one_way_latency_ms(1_955_000.0, 1.5) == pytest.approx(14.4, abs=0.05)
    assert one_way_latency_ms(623_000.0, 1.5) == pytest.approx(4.6, abs=0.05)
    np.testing.assert_allclose(latencies_ms([0.0, 10_000.0, np.inf], n_hops=[0, 4, 1]), [0.0, 0.049 + 0.2, np.inf])
    np.testing.assert_allclose(latencies_ms(1_000.0, n_hops=2, hop_delay_us=5.0), 0.0049 + 0.010)


@pytest.mark.parametrize("wrong", [{"route_m": -1.0}, {"route_m": 1.0, "n_hops": -1},
                                   {"route_m": 1.0, "hop_delay_us": -5.0}])
def test_nothing_is_negative(wrong) -> None:
    with pytest.raises(UsageError, match="at least 0"):
        latencies_ms(**wrong)


def test_limits_of_plans_do_not_bind_in_a_city_and_one_that_does_is_offered() -> None:
    for limit_ms in (10.0, 20.0):
        verdict = check_limit(limit_ms, 135_000.0)
        assert not verdict.is_binding
        assert verdict.offered_ms == 0.5
        assert verdict.offered_reach_m == pytest.approx(68_027, abs=1)
    assert check_limit(10.0, 135_000.0).reach_m == pytest.approx(1_360_544, abs=1)
    far = check_limit(10.0, 1_955_000.0)
    assert far.is_binding
    assert far.reach_m == pytest.approx(1_360_544, abs=1)
    assert "binds: beyond 1361 km" in limit_fact(far).en


def test_hops_can_use_up_a_limit() -> None:
    verdict = check_limit(1.0, 50_000.0, n_hops=25)
    assert verdict.is_binding
    assert verdict.reach_m == 0.0
    assert verdict.offered_ms is None
    assert "起约束" in limit_fact(verdict).zh


@given(st.floats(0.01, 100.0), st.floats(1.0, 3e6), st.floats(1.0, 2.5), st.integers(0, 20))
def test_what_is_offered_binds(limit_ms, widest_m, route_factor, n_hops) -> None:
    verdict = check_limit(limit_ms, widest_m, route_factor, n_hops=n_hops)
    at_reach = one_way_latency_ms(verdict.reach_m, route_factor, n_hops=n_hops)
    assert at_reach == pytest.approx(max(limit_ms, n_hops * 0.05), rel=1e-9)
    assert verdict.reach_m == reach_m(limit_ms, route_factor, n_hops=n_hops)
    if verdict.offered_ms is not None:
        assert check_limit(verdict.offered_ms, widest_m, route_factor, n_hops=n_hops).is_binding
        assert verdict.offered_ms <= limit_ms * (1 + 1e-9)
        assert 0.0 < verdict.offered_reach_m < widest_m


def test_the_fact_names_every_limit_and_one_offer() -> None:
    assert widest_distance_m(CITY) == pytest.approx(135_000.0)
    fact = latency_fact(CITY, load_pack("tianfu"))
    assert "0.99 ms one way" in fact.en
    assert fact.en.count("does not bind") == 2
    assert fact.en.count("service radius") == 1
    assert "10 毫秒的限值不起约束，直线距离达到 1361 公里才会超限" in fact.zh
    assert "0.5 毫秒的限值才起约束，相当于 68 公里的服务半径" in fact.zh
    assert fact.en.endswith("it is reported and not scored.")


def test_without_a_limit_nothing_is_said_of_one() -> None:
    pack = replace(load_pack("tianfu"), targets=())
    fact = latency_fact(CITY, pack)
    assert "limit" not in fact.en
    assert "限值" not in fact.zh
