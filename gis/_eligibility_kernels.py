"""Burning of buffered features and raster runs into a bit mask, compiled.

Ground is given as x and depth (the negative of the northing), so that columns and rows both count
upwards. The centre of cell (row, column) lies at ``west + (column + 0.5) * width`` and
``top + (row + 0.5) * height``; ``frame`` is (west, top, width, height) everywhere.

A feature grown by a distance meets each row of cell centres in intervals: a segment grown by a
reach is a capsule, which is convex and meets a row in one interval; a polygon meets it between
every other crossing of its rings; a run of raster cells is a rectangle with rounded corners. Each
kernel finds these intervals and sets one bit in the cells whose centres lie in them. Whether a
centre is in is decided from the coordinates of centre and feature alone, never from the size of
the cells, so that grids of any resolution agree where they share a centre.

Cost: one interval per segment (or run) and row that it reaches, plus the cells written. Kernels
write the rows ``row_from`` to ``row_to`` and no others, so that strips can be burned side by side.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Columns = NDArray[np.int32]
Mask = NDArray[np.unsignedinteger]
Held = NDArray[np.bool_]
Frame = tuple[float, float, float, float]

# From here on a general sort is faster than putting one after the other in its place.
_MANY = 16


def _first_from(origin: float, step: float, n: int, anchor: float, low: float) -> int:
    """Return the first of n centres at or beyond ``anchor + low``; n if there is none."""
    guess = min(max((anchor - origin + low) / step, 0.0), float(n))
    i = int(guess)
    while i < n and origin + (i + 0.5) * step - anchor < low:
        i += 1
    while i > 0 and origin + (i - 0.5) * step - anchor >= low:
        i -= 1
    return i


def _first_beyond(origin: float, step: float, n: int, anchor: float, high: float) -> int:
    """Return the first of n centres strictly beyond ``anchor + high``; n if there is none."""
    guess = min(max((anchor - origin + high) / step, 0.0), float(n))
    i = int(guess)
    while i < n and origin + (i + 0.5) * step - anchor <= high:
        i += 1
    while i > 0 and origin + (i - 0.5) * step - anchor > high:
        i -= 1
    return i


def _set_bits(cells: Mask, bit: int) -> None:
    """Set ``bit`` in neighbouring cells: a plain loop over a view, which compiles to vector instructions."""
    for i in range(len(cells)):
        cells[i] |= bit


def _sort_few(numbers: Floats) -> None:
    """Sort in place; a polygon mostly crosses a row twice, for which a general sort takes far longer."""
    if len(numbers) > _MANY:
        numbers.sort()
        return
    for i in range(1, len(numbers)):
        number, place = numbers[i], i
        while place > 0 and numbers[place - 1] > number:
            numbers[place] = numbers[place - 1]
            place -= 1
        numbers[place] = number


def _capsule_interval(dx: float, dd: float, length: float, reach: float, depth: float) -> tuple[float, float]:
    """Return where a row at ``depth`` meets the segment from (0, 0) to (dx, dd) grown by ``reach``.

    The capsule is two discs and a rectangle; as it is convex, the interval reaches from the least
    to the greatest x of the three. An empty interval has its ends the wrong way round.
    """
    low, high = np.inf, -np.inf
    rest = reach * reach - depth * depth
    if rest >= 0.0:
        half = np.sqrt(rest)
        low, high = -half, half
    rest = reach * reach - (depth - dd) * (depth - dd)
    if rest >= 0.0:
        half = np.sqrt(rest)
        low, high = min(low, dx - half), max(high, dx + half)
    left, right = _rectangle_interval(dx, dd, length, reach, depth)
    if left <= right:
        low, high = min(low, left), max(high, right)
    return low, high


def _rectangle_interval(dx: float, dd: float, length: float, reach: float, depth: float) -> tuple[float, float]:
    """Return where a row meets the ground beside a segment: between its ends, no further than ``reach``."""
    if length == 0.0:
        return np.inf, -np.inf
    left, right = -np.inf, np.inf
    along, squared = depth * dd, length * length
    if dx != 0.0:
        one, other = -along / dx, (squared - along) / dx
        left, right = min(one, other), max(one, other)
    elif along < 0.0 or along > squared:
        return np.inf, -np.inf
    if dd != 0.0:
        middle, half = depth * dx / dd, abs(reach * length / dd)
        left, right = max(left, middle - half), min(right, middle + half)
    elif abs(depth) > reach:
        return np.inf, -np.inf
    return left, right


def _burn_segments(mask: Mask, row_from: int, row_to: int, frame: Frame, segments: Floats, reach: float,
                   bit: int) -> None:
    """Set ``bit`` where a centre lies within ``reach`` of a segment.

    Parameters
    ----------
    mask
        In and out, shape (rows, columns).
    row_from, row_to
        Rows to be written, the last one excluded.
    frame
        West, top, width and height of the grid.
    segments
        x and depth of both ends, shape (n, 4); a point is a segment whose ends are the same.
    reach
        Metres, inclusive.
    bit
        The bit itself, of the type of ``mask``.
    """
    west, top, width, height = frame
    n_rows, n_columns = mask.shape
    above, below = top + row_from * height - height, top + row_to * height + height
    for i in range(segments.shape[0]):
        x, y = segments[i, 0], segments[i, 1]
        if max(y, segments[i, 3]) + reach < above or min(y, segments[i, 3]) - reach > below:
            continue
        dx, dd = segments[i, 2] - x, segments[i, 3] - y
        length = np.sqrt(dx * dx + dd * dd)
        first = max(row_from, first_from(top, height, n_rows, y, min(0.0, dd) - reach))
        end = min(row_to, first_beyond(top, height, n_rows, y, max(0.0, dd) + reach))
        for row in range(first, end):
            low, high = capsule_interval(dx, dd, length, reach, top + (row + 0.5) * height - y)
            if low <= high:
                left = first_from(west, width, n_columns, x, low)
                set_bits(mask[row, left:first_beyond(west, width, n_columns, x, high)], bit)


def _add_crossings(vertices: Floats, start: int, end: int, frame: Frame, n_rows: int, row_from: int, row_to: int,
                   counts: Integers, crossings: Floats) -> None:
    """Count the rows that a ring crosses, or where ``crossings`` has room note the x of each crossing.

    A row is crossed by an edge that starts at or above it and ends below it, so that a vertex on a
    row counts once. The x is taken from the upper end whatever the direction of the ring, so that
    neighbours agree on their common edge.
    """
    for i in range(start, end - 1):
        j = i + 1
        if vertices[i, 1] > vertices[j, 1]:
            x0, y0, x1, y1 = vertices[j, 0], vertices[j, 1], vertices[i, 0], vertices[i, 1]
        else:
            x0, y0, x1, y1 = vertices[i, 0], vertices[i, 1], vertices[j, 0], vertices[j, 1]
        if y0 == y1:
            continue
        first = max(row_from, first_from(frame[1], frame[3], n_rows, 0.0, y0))
        last = min(row_to, first_from(frame[1], frame[3], n_rows, 0.0, y1))
        for row in range(first, last):
            at = row - row_from
            if crossings.shape[0] > 0:
                depth = frame[1] + (row + 0.5) * frame[3]
                crossings[counts[at]] = x0 + (depth - y0) * ((x1 - x0) / (y1 - y0))
            counts[at] += 1


def _burn_polygons(mask: Mask, row_from: int, row_to: int, frame: Frame, vertices: Floats, ring_start: Integers,
                   part_start: Integers, part_depths: Floats, keep: int, add: int) -> None:
    """Keep the bits of ``keep`` and set those of ``add`` where a centre lies inside a polygon, by the even-odd rule.

    Of centres on the edge itself the upper and left ones are inside, the lower and right ones are
    not: each centre is in exactly one of the polygons that share an edge.

    Parameters
    ----------
    vertices
        x and depth of the vertices of all rings, shape (vertices, 2).
    ring_start
        First vertex of each ring, with the end; shape (rings + 1,).
    part_start
        First ring of each polygon, with the end; shape (n + 1,).
    part_depths
        Least and greatest depth of each polygon, shape (n, 2).
    keep, add
        Bits of the type of ``mask``.
    mask, row_from, row_to, frame
        As for :func:`_burn_segments`.
    """
    n_rows, n_columns = mask.shape
    nothing = np.empty(0)
    for part in range(part_start.shape[0] - 1):
        first = max(row_from, first_from(frame[1], frame[3], n_rows, 0.0, part_depths[part, 0]))
        end = min(row_to, first_from(frame[1], frame[3], n_rows, 0.0, part_depths[part, 1]))
        if first >= end:
            continue
        counts = np.zeros(end - first, dtype=np.int64)
        for ring in range(part_start[part], part_start[part + 1]):
            add_crossings(vertices, ring_start[ring], ring_start[ring + 1], frame, n_rows, first, end, counts, nothing)
        ends = np.cumsum(counts)
        cursor = ends - counts
        crossings = np.empty(max(ends[-1], 1))
        for ring in range(part_start[part], part_start[part + 1]):
            add_crossings(vertices, ring_start[ring], ring_start[ring + 1], frame, n_rows, first, end, cursor,
                          crossings)
        for row in range(first, end):
            at = row - first
            found = crossings[ends[at] - counts[at]:ends[at]]
            sort_few(found)
            for i in range(0, found.shape[0] - 1, 2):
                left = first_from(frame[0], frame[2], n_columns, 0.0, found[i])
                cells = mask[row, left:first_from(frame[0], frame[2], n_columns, 0.0, found[i + 1])]
                for j in range(len(cells)):
                    cells[j] = cells[j] & keep | add


def _is_hit(value: float, below: float, above: float, codes: Floats) -> bool:
    """Return whether a raster rule takes a value; NaN is never taken."""
    if value < below or value > above:
        return True
    for code in codes:  # noqa: SIM110 - compiled, where a generator is not known
        if value == code:
            return True
    return False


def _burn_cells(mask: Mask, row: int, column: int, row_of: Integers, column_of: Integers, values: Floats,
                below: float, above: float, codes: Floats, is_missing_hit: bool, bit: int) -> None:
    """Set ``bit`` where the raster cell that holds a centre is taken by the rule.

    Parameters
    ----------
    mask
        In and out, shape (rows, columns).
    row, column
        First row and column to be written.
    row_of, column_of
        Row and column in ``values`` of each following row and column of the mask.
    values
        Raster cells, NaN where there is no data.
    below, above, codes
        A value below, above, or equal to a code is taken; infinite or empty where not asked for.
    is_missing_hit
        Take cells without data too.
    bit
        The bit itself, of the type of ``mask``.
    """
    for i in range(row_of.shape[0]):
        for j in range(column_of.shape[0]):
            value = values[row_of[i], column_of[j]]
            if is_hit(value, below, above, codes) or (is_missing_hit and np.isnan(value)):
                mask[row + i, column + j] |= bit


def _find_runs(values: Floats, column: int, below: float, above: float,
               codes: Floats) -> tuple[Integers, Columns, Columns]:
    """Return the runs of neighbouring cells of each row that a rule takes.

    Returns
    -------
    row_start : numpy.ndarray
        First run of each row, with the end; shape (rows + 1,).
    first, end : numpy.ndarray
        Columns of each run on the raster (``column`` is that of the first cell), the end excluded.
    """
    n_rows, n_columns = values.shape
    is_taken = np.zeros((n_rows, n_columns + 1), dtype=np.bool_)
    row_start = np.zeros(n_rows + 1, dtype=np.int64)
    for row in range(n_rows):
        n_runs, was_taken = 0, False
        for i in range(n_columns):
            is_taken[row, i] = is_hit(values[row, i], below, above, codes)
            n_runs += is_taken[row, i] and not was_taken
            was_taken = is_taken[row, i]
        row_start[row + 1] = row_start[row] + n_runs
    first, end = np.empty(row_start[-1], dtype=np.int32), np.empty(row_start[-1], dtype=np.int32)
    run = 0
    for row in range(n_rows):
        was_taken = False
        for i in range(n_columns + 1):
            if is_taken[row, i] and not was_taken:
                first[run] = column + i
            elif was_taken and not is_taken[row, i]:
                end[run] = column + i
                run += 1
            was_taken = is_taken[row, i]
    return row_start, first, end


def _find_held(row_start: Integers, first: Columns, end: Columns, step: int) -> NDArray[np.bool_]:
    """Tell which runs lie wholly within one run of the row before (``step`` -1) or after (1)."""
    is_held = np.zeros(len(first), dtype=np.bool_)
    n_rows = len(row_start) - 1
    for row in range(max(0, -step), min(n_rows, n_rows - step)):
        other, stop = row_start[row + step], row_start[row + step + 1]
        for run in range(row_start[row], row_start[row + 1]):
            while other < stop and end[other] < end[run]:
                other += 1
            is_held[run] = other < stop and first[other] <= first[run]
    return is_held


def _burn_runs(mask: Mask, row_from: int, row_to: int, frame: Frame, raster_frame: Frame, raster_row: int,
               row_start: Integers, first: Columns, end: Columns, held: tuple[Held, Held], reach: float,
               bit: int) -> None:
    """Set ``bit`` where a centre lies within ``reach`` of the ground of a run of raster cells.

    A run that lies within one of the row above reaches no further upwards than that one does, and
    downwards likewise; it is left out there, which is about half of all.

    Parameters
    ----------
    raster_frame
        West, top, width and height of the raster.
    raster_row
        Row on the raster of the first row of runs.
    row_start, first, end
        Runs, as :func:`_find_runs` returns them.
    held
        Which runs lie within a run of the row before, and of the row after, as :func:`_find_held` tells.
    mask, row_from, row_to, frame, reach, bit
        As for :func:`_burn_segments`.
    """
    west, top, width, height = frame
    n_rows, n_columns = mask.shape
    for i in range(row_start.shape[0] - 1):
        if row_start[i] == row_start[i + 1]:
            continue
        upper = raster_frame[1] + (raster_row + i) * raster_frame[3]
        lower = raster_frame[1] + (raster_row + i + 1) * raster_frame[3]
        row_first = max(row_from, first_from(top, height, n_rows, upper, -reach))
        row_end = min(row_to, first_beyond(top, height, n_rows, lower, reach))
        for row in range(row_first, row_end):
            depth = top + (row + 0.5) * height
            away = max(upper - depth, depth - lower, 0.0)
            if away > reach:
                continue
            half = np.sqrt(reach * reach - away * away)
            for run in range(row_start[i], row_start[i + 1]):
                if (depth < upper and held[0][run]) or (depth > lower and held[1][run]):
                    continue
                left = first_from(west, width, n_columns, raster_frame[0] + first[run] * raster_frame[2], -half)
                right = first_beyond(west, width, n_columns, raster_frame[0] + end[run] * raster_frame[2], half)
                set_bits(mask[row, left:right], bit)


_compiled = njit(cache=True, nogil=True)
first_from = _compiled(_first_from)
first_beyond = _compiled(_first_beyond)
set_bits = _compiled(_set_bits)
sort_few = _compiled(_sort_few)
_rectangle_interval = _compiled(_rectangle_interval)
capsule_interval = _compiled(_capsule_interval)
burn_segments = _compiled(_burn_segments)
add_crossings = _compiled(_add_crossings)
burn_polygons = _compiled(_burn_polygons)
is_hit = _compiled(_is_hit)
burn_cells = _compiled(_burn_cells)
find_runs = _compiled(_find_runs)
find_held = _compiled(_find_held)
burn_runs = _compiled(_burn_runs)
