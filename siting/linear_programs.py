"""The door to HiGHS: sparse arrays in, an answer with its bound and shadow prices out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class LinearProgram:
    """``maximise reward @ x`` with ``row_lower <= A x <= row_upper`` and ``lower <= x <= upper``."""

    reward: Floats
    """Per column."""
    lower: Floats
    upper: Floats
    row_lower: Floats
    """Per row; -inf for none."""
    row_upper: Floats
    """Per row; inf for none."""
    rows: Integers
    """Row of each entry of A."""
    columns: Integers
    """Column of each entry."""
    values: Floats
    """Value of each entry."""
    is_integer: NDArray[np.bool_]
    """Per column."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Optimum:
    """What HiGHS made of a program."""

    x: Floats
    """Per column; empty where there is no answer."""
    objective_value: float
    bound: float
    """No answer is above it."""
    row_prices: Floats
    """What one more unit of each row's bound would add; zeros for a program with integer columns."""
    solver_status: str
    """The solver's own word."""


def solve(program: LinearProgram, *, gap: float = 1e-6, time_limit_s: float = 60.0, most_nodes: int | None = None,
          start: Floats | None = None) -> Optimum:
    """Solve a linear or mixed-integer program.

    Parameters
    ----------
    program
        What to maximise.
    gap
        Relative gap at which the search among integers may stop.
    time_limit_s
        When to stop with what was found.
    most_nodes
        When to stop by the work done: the same on a slow machine as on a fast one. None for no such limit.
    start
        An answer to begin with, where one is known.
    """
    import highspy

    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    # One thread and a fixed seed: the same input must give the same answer.
    for option, setting in (("output_flag", False), ("mip_rel_gap", gap), ("time_limit", time_limit_s), ("threads", 1)):
        solver.setOptionValue(option, setting)
    if most_nodes is not None:
        solver.setOptionValue("mip_max_nodes", most_nodes)
    solver.passModel(_model(program))
    if start is not None:
        known = highspy.HighsSolution()
        known.col_value = start.tolist()
        solver.setSolution(known)
    solver.run()
    status = str(solver.modelStatusToString(solver.getModelStatus()))
    solution, information = solver.getSolution(), solver.getInfo()
    is_mixed = bool(program.is_integer.any())
    has_answer = bool(solution.value_valid)
    x = np.asarray(solution.col_value, dtype=np.float64) if has_answer else np.empty(0)
    value = float(program.reward @ x) if has_answer else -np.inf
    prices = np.zeros(len(program.row_lower)) if is_mixed else np.asarray(solution.row_dual, dtype=np.float64)
    return Optimum(x=x, objective_value=value, bound=float(information.mip_dual_bound) if is_mixed else value,
                   row_prices=prices, solver_status=status)


def _model(program: LinearProgram) -> Any:
    import highspy

    n_columns, n_rows = len(program.reward), len(program.row_lower)
    order = np.lexsort((program.columns, program.rows))
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = n_columns, n_rows
    model.sense_ = highspy.ObjSense.kMaximize
    model.col_cost_ = program.reward
    model.col_lower_, model.col_upper_ = program.lower, program.upper
    model.row_lower_, model.row_upper_ = program.row_lower, program.row_upper
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_ = np.searchsorted(program.rows[order], np.arange(n_rows + 1)).astype(np.int32)
    model.a_matrix_.index_ = program.columns[order].astype(np.int32)
    model.a_matrix_.value_ = program.values[order]
    if program.is_integer.any():
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        model.integrality_ = [kinds[int(i)] for i in program.is_integer]
    return model
