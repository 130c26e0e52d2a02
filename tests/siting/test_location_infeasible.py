"""A question without an answer says why, and what would give it one."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gis.errors import InfeasibleError, UsageError
from siting.location import (
    SideConditions,
    capacitated_max_covering,
    capacitated_p_median,
    coverage_curve,
    max_covering,
    p_center,
    p_dispersion,
    p_median,
    set_covering,
)

AT = np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0], [30.0, 0.0]])
COST = np.abs(AT[:, :1] - AT[:, 0])
ONES = np.ones(4)


def said(message: str) -> re.Pattern[str]:
    return re.compile(re.escape(message))


def covering(p: int | None = 2, radius: float = 5.0, **conditions: object) -> None:
    max_covering(COST, ONES, n_facilities=p, service_radius=radius,
                 conditions=SideConditions(**conditions))  # type: ignore[arg-type]


def test_demand_out_of_reach_is_named_with_the_radius_that_would_do() -> None:
    cost = COST[:, :2]
    with pytest.raises(InfeasibleError, match=said("(rows) 2, 3 within 8; a radius of 20 would do")) as caught:
        set_covering(cost, service_radius=8.0)
    assert "行号）2、3 在 8 内" in caught.value.text.zh and "半径 20 可以满足" in caught.value.text.zh
    assert set_covering(cost, service_radius=20.0).objective_value == 1.0


def test_demand_that_nothing_serves() -> None:
    cost = np.where(np.eye(4, dtype=bool), np.inf, COST)
    cost[2] = np.inf
    for ask in (p_median, p_center):
        with pytest.raises(InfeasibleError, match=said("(rows) 2; add sites that can reach them")):
            ask(cost, ONES, n_facilities=2)


def test_too_few_sites_to_serve_all_tells_how_many_would_do() -> None:
    cost = np.where(COST <= 10, COST, np.inf)
    with pytest.raises(InfeasibleError, match=said("exactly 1 sites; every demand point served")) as caught:
        p_median(cost, ONES, n_facilities=1)
    assert str(caught.value).endswith("2 to 4 sites would do")
    assert p_median(cost, ONES, n_facilities=2).objective_value == 20.0


def test_quota_against_quota_and_number() -> None:
    zone = np.array([0, 0, 1, 1])
    with pytest.raises(InfeasibleError, match="zone 1 must hold at least 2 and at most 1"):
        covering(zone_of_site=zone, zone_min=np.array([0, 2]), zone_max=np.array([2, 1]))
    with pytest.raises(InfeasibleError, match="zone 0 must hold 3 sites and has 2 candidates"):
        covering(p=4, zone_of_site=zone, zone_min=np.array([3, 0]))
    with pytest.raises(InfeasibleError, match="the zones ask for 4 sites at least and only 3"):
        covering(p=3, zone_of_site=zone, zone_min=np.array([2, 2]))
    with pytest.raises(InfeasibleError, match="the zones allow 2 sites and 3 are to be chosen"):
        covering(p=3, zone_of_site=zone, zone_max=np.array([1, 1]))
    with pytest.raises(InfeasibleError, match="zone 0 may hold 1 sites and 2 exist"):
        covering(zone_of_site=zone, zone_max=np.array([1, 1]),
                 existing_facilities=np.array([True, True, False, False]))


def test_spacing_against_number_tells_both_ways_out() -> None:
    with pytest.raises(InfeasibleError) as caught:
        covering(p=3, min_spacing=15.0, site_positions=AT)
    text = str(caught.value)
    assert "exactly 3 sites; a spacing of at least 15" in text
    assert "0 to 2 sites would do" in text and "a spacing of 10 would do" in text
    covering(p=2, min_spacing=15.0, site_positions=AT)
    covering(p=3, min_spacing=10.0, site_positions=AT)


def test_quota_against_spacing_leaves_out_what_is_not_to_blame() -> None:
    with pytest.raises(InfeasibleError) as caught:
        covering(p=3, min_spacing=15.0, site_positions=AT, zone_of_site=np.array([0, 0, 1, 1]),
                 zone_min=np.array([2, 0]), site_costs=ONES, budget=100.0)
    text = str(caught.value)
    assert "2 to 4 sites in zone 0" in text and "spacing of at least 15" in text
    assert "zone 1" not in text and "cost of at most" not in text


def test_existing_too_many() -> None:
    with pytest.raises(InfeasibleError, match="3 facilities exist and stay, and 2 are asked for"):
        covering(p=2, existing_facilities=np.array([True, True, True, False]))


def test_second_cover_out_of_reach() -> None:
    with pytest.raises(InfeasibleError, match=said("(rows) 1 have no second site within 5; a radius of 10 would do")):
        covering(needs_backup=np.array([False, True, False, False]))
    covering(needs_backup=np.array([False, True, False, False]), backup_radius=10.0)


def test_second_cover_against_number() -> None:
    with pytest.raises(InfeasibleError, match=r"a second cover within 10 for 4 demand points.*4 to 4 sites would do"):
        covering(p=2, needs_backup=np.ones(4, dtype=bool), backup_radius=10.0)


def test_budget_tells_the_least_that_would_do() -> None:
    costs = np.array([5.0, 6.0, 7.0, 8.0])
    with pytest.raises(InfeasibleError, match="a budget of 11 would do"):
        covering(p=2, site_costs=costs, budget=10.0)
    with pytest.raises(InfeasibleError, match=r"at least one site.*a budget of 5 would do"):
        covering(p=None, site_costs=costs, budget=4.0)


def test_capacity_too_small_by_how_much() -> None:
    with pytest.raises(InfeasibleError, match="demand is 4 and the 2 largest sites hold 3: 1 too little; 3 sites"):
        capacitated_p_median(COST, ONES, capacity=np.array([1.0, 1.0, 2.0, 1.0]), n_facilities=2)
    with pytest.raises(InfeasibleError, match="add sites or capacity"):
        capacitated_p_median(COST, ONES, capacity=np.full(4, 0.9), n_facilities=4)
    with pytest.raises(InfeasibleError, match=r"demand 9 of demand point \(row\) 3"):
        capacitated_p_median(COST, np.array([1.0, 1.0, 1.0, 9.0]), capacity=np.full(4, 8.0), n_facilities=3)


def test_capacity_that_fits_in_sum_but_not_by_point() -> None:
    with pytest.raises(InfeasibleError, match=r"2 sites cannot serve all demand without splitting.*3 would do"):
        capacitated_p_median(COST[:3], np.full(3, 2.0), capacity=np.full(4, 3.0), n_facilities=2)


@pytest.mark.parametrize("call", [
    lambda: max_covering(COST, ONES[:3], n_facilities=1, service_radius=1.0),
    lambda: max_covering(COST, -ONES, n_facilities=1, service_radius=1.0),
    lambda: max_covering(-COST - 1, ONES, n_facilities=1, service_radius=1.0),
    lambda: max_covering(COST * np.nan, ONES, n_facilities=1, service_radius=1.0),
    lambda: max_covering(COST[0], ONES, n_facilities=1, service_radius=1.0),
    lambda: max_covering(COST, ONES, service_radius=1.0),
    lambda: covering(min_spacing=3.0),
    lambda: covering(budget=3.0),
    lambda: covering(zone_min=np.array([1])),
    lambda: covering(existing_facilities=np.ones(3, dtype=bool)),
    lambda: p_median(COST, ONES, n_facilities=2, conditions=SideConditions(needs_backup=np.ones(4, dtype=bool))),
    lambda: p_dispersion(COST[:3], n_facilities=2),
    lambda: p_dispersion(COST, n_facilities=1),
    lambda: capacitated_max_covering(COST, ONES, capacity=ONES[:2], n_facilities=1, service_radius=1.0),
])
def test_arrays_that_do_not_fit_are_a_usage_error(call: object) -> None:
    with pytest.raises(UsageError) as caught:
        call()  # type: ignore[operator]
    assert caught.value.text.zh != caught.value.text.en


def test_curve_beyond_what_is_possible() -> None:
    with pytest.raises(InfeasibleError, match="ask for 1 to 4"):
        coverage_curve(COST, ONES, p_max=5, service_radius=5.0)
