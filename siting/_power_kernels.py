"""The compiled choice of feeds, site after site; called by :mod:`siting.power`.

Each site takes the pair of stations of the shortest total distance that have its load to spare; a pair that hangs
on one parent is taken only where there is no other. With ``is_consuming`` the load is taken off both stations
before the next site chooses. O(n k^2) for n sites with k stations each; nothing is kept per pair.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# Codes of siting.power.PowerLimit; a test compares the two.
NOT_KNOWN, HEADROOM, SECOND_FEED, COMMON_PARENT, FEED_A, FEED_B, VOLTAGE_STEP = 0, 3, 4, 5, 6, 7, 8


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def hang_together(a: int, b: int, own: Any, parent: Any) -> bool:
    """Tell whether an outage of one station takes the other, as far as parents (-1: unknown) tell."""
    if own[a] == own[b] or parent[a] == own[b] or parent[b] == own[a]:
        return True
    return bool(parent[a] >= 0 and parent[a] == parent[b])


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def choose_feeds(order: Any, station: Any, distance_m: Any, reach_m: Any, load_mva: Any, step_max_mva: Any, beyond: Any,
                 nearest_mva: Any, left_mva: Any, own: Any, parent: Any, n_feeds: int, is_consuming: bool, feed: Any,
                 limit: Any, growth_mva: Any, n_independent: Any) -> None:
    """Fill feeds (columns of ``station``), what fails first, by how much, and the number of independent feeds.

    Rows of ``station`` are sorted by distance and hold no station twice. Headroom that is not known (NaN) is never
    too small.
    """
    k = station.shape[1]
    usable = np.empty(k, dtype=np.int64)
    for at in range(order.shape[0]):
        i = order[at]
        n_usable, n_near, most, second = 0, 0, -np.inf, -np.inf
        for j in range(k):
            s = station[i, j]
            if s < 0 or distance_m[i, j] > reach_m[i]:
                continue
            n_near += 1
            if not left_mva[s] < load_mva[i]:
                usable[n_usable] = j
                n_usable += 1
            if left_mva[s] > most:
                most, second = left_mva[s], most
            elif left_mva[s] > second:
                second = left_mva[s]
        feed[at, 0] = feed[at, 1] = -1
        growth_mva[at], n_independent[at] = np.nan, 0
        if n_near == 0:
            limit[at], growth_mva[at] = beyond[i], nearest_mva[i] - load_mva[i]
            continue
        if n_usable == 0:
            limit[at], growth_mva[at] = HEADROOM, most - load_mva[i]
            continue
        n_independent[at] = _independent(usable, n_usable, station[i], own, parent)
        is_common = _pair(usable, n_usable, station[i], distance_m[i], own, parent, n_feeds, feed[at])
        if n_feeds > 1 and feed[at, 1] < 0:
            limit[at] = SECOND_FEED
            if n_near > 1:
                growth_mva[at] = second - load_mva[i]
            continue
        _weakest(station[i], feed[at], left_mva, load_mva[i], step_max_mva[i], limit, growth_mva, at)
        if is_common:
            limit[at], growth_mva[at] = COMMON_PARENT, np.nan
        if is_consuming:
            for f in range(n_feeds):
                left_mva[station[i, feed[at, f]]] -= load_mva[i]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _independent(usable: Any, n_usable: int, station: Any, own: Any, parent: Any) -> int:
    """Count usable stations that do not hang together, from the nearest on."""
    taken = np.empty(n_usable, dtype=np.int64)
    n = 0
    for u in range(n_usable):
        s = station[usable[u]]
        is_free = True
        for t in range(n):
            if hang_together(s, taken[t], own, parent):
                is_free = False
        if is_free:
            taken[n] = s
            n += 1
    return n


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _pair(usable: Any, n_usable: int, station: Any, distance_m: Any, own: Any, parent: Any, n_feeds: int,
          feed: Any) -> bool:
    """Fill the two feeds and tell whether they hang together."""
    feed[0] = usable[0]
    if n_feeds == 1:
        return False
    best_m, is_best_common = np.inf, True
    for u in range(n_usable):
        for v in range(u + 1, n_usable):
            a, b = station[usable[u]], station[usable[v]]
            is_common = hang_together(a, b, own, parent)
            total_m = distance_m[usable[u]] + distance_m[usable[v]]
            if (is_best_common and not is_common) or (is_common == is_best_common and total_m < best_m):
                best_m, is_best_common = total_m, is_common
                feed[0], feed[1] = usable[u], usable[v]
    return is_best_common and feed[1] >= 0


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _weakest(station: Any, feed: Any, left_mva: Any, load_mva: float, step_max_mva: float, limit: Any, growth_mva: Any,
             at: int) -> None:
    """Fill what gives way first when the load grows: a feed's headroom or the voltage step."""
    limit[at], growth_mva[at] = NOT_KNOWN, np.inf
    for f in range(2):
        if feed[f] >= 0 and left_mva[station[feed[f]]] - load_mva < growth_mva[at]:
            growth_mva[at] = left_mva[station[feed[f]]] - load_mva
            limit[at] = FEED_A + f
    if step_max_mva - load_mva < growth_mva[at]:
        limit[at], growth_mva[at] = VOLTAGE_STEP, step_max_mva - load_mva
    if limit[at] == NOT_KNOWN:
        growth_mva[at] = np.nan
