"""Run a SWMM model of storm drains step by step.

    python run.py network.inp

Writes the solver's report `network.rpt` and its binary results `network.out`, and from these
`outfall.csv`: the flow out of the network and the depth at the most loaded node. Progress and the
continuity errors go to stdout.
"""

from __future__ import annotations

import argparse
import csv
import sys
from datetime import datetime
from pathlib import Path

from swmm.toolkit import output, solver
from swmm.toolkit.shared_enum import (
    ElementType,
    NodeAttribute,
    SystemAttribute,
    Time,
    TimeProperty,
)

PROGRESS_LINES = 12
HOURS_PER_DAY = 24
MAX_CONTINUITY_ERROR = 5.0  # per cent; the solver's manual calls a run above 10 doubtful


class ContinuityError(Exception):
    """The run lost or gained more water than a modeller would accept."""


def simulated_days() -> float:
    """Length of the open simulation."""
    begin, end = (
        datetime(*solver.simulation_get_datetime(which))  # noqa: DTZ001 - a model's time has no zone
        for which in (TimeProperty.START_DATE, TimeProperty.END_DATE)
    )
    return (end - begin).total_seconds() / 86400


def simulate(model: Path, report: Path, results: Path) -> tuple[float, float]:
    """Step through the model.

    Returns:
        The continuity errors of runoff and of flow routing, in per cent.
    """
    solver.swmm_open(str(model), str(report), str(results))
    try:
        solver.swmm_start(True)
        total = simulated_days()
        steps, shown = 0, 0
        while (elapsed := solver.swmm_step()) > 0:  # days; 0 at the end
            steps += 1
            if elapsed / total * PROGRESS_LINES >= shown + 1:
                shown += 1
                show_progress(elapsed, total, steps)
        show_progress(total, total, steps)
        solver.swmm_end()
        runoff, routing, _ = solver.swmm_get_mass_balance()
        solver.swmm_report()
    finally:
        solver.swmm_close()
    return runoff, routing


def show_progress(elapsed: float, total: float, steps: int) -> None:
    """Print how far the simulated time has come."""
    hours = elapsed * HOURS_PER_DAY
    print(f"time {hours:.2f} h  {100 * elapsed / total:.0f} %  step {steps}", flush=True)


def write_outfall(results: Path, table: Path) -> None:
    """Read the binary results, write time, flow and depth, and print their peaks."""
    handle = output.init()
    output.open(handle, str(results))
    try:
        last = output.get_times(handle, Time.NUM_PERIODS) - 1
        interval_s = output.get_times(handle, Time.REPORT_STEP)
        flow = output.get_system_series(handle, SystemAttribute.OUTFALL_FLOWS, 0, last)
        depths = {
            output.get_elem_name(handle, ElementType.NODE, node): output.get_node_series(
                handle, node, NodeAttribute.INVERT_DEPTH, 0, last
            )
            for node in range(output.get_proj_size(handle)[1])
        }
    finally:
        output.close(handle)
    deepest = max(depths, key=lambda name: max(depths[name]))
    with table.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["time_min", "outfall_flow_L_s", f"depth_{deepest}_m"])
        for period, values in enumerate(zip(flow, depths[deepest], strict=True), start=1):
            rows.writerow([f"{period * interval_s / 60:g}", *(f"{value:.4f}" for value in values)])
    print(f"peak flow at the outfall: {max(flow):.0f} L/s")
    print(f"most loaded node: {deepest}, {max(depths[deepest]):.2f} m deep")


def run(model: Path) -> None:
    """Simulate and write the table; file names follow the model's, in the working folder.

    Raises:
        ContinuityError: the water balance does not close.
    """
    results = Path(model.stem + ".out")
    runoff, routing = simulate(model, results.with_suffix(".rpt"), results)
    print(f"continuity error: runoff {runoff:.3f} %, flow routing {routing:.3f} %")
    write_outfall(results, Path("outfall.csv"))
    if max(abs(runoff), abs(routing)) > MAX_CONTINUITY_ERROR:
        raise ContinuityError("the water balance does not close; shorten ROUTING_STEP")


def main() -> int:
    """Read the command line, run, and turn failures into one clear line and exit code 1."""
    parser = argparse.ArgumentParser(description="Storm drains by SWMM.")
    parser.add_argument("model", type=Path, help="SWMM input file (.inp)")
    arguments = parser.parse_args()
    if not arguments.model.is_file():
        print(f"error: there is no model {arguments.model}", file=sys.stderr)
        return 1
    try:
        run(arguments.model)
    except Exception as error:  # noqa: BLE001 - the toolkit raises nothing more special
        reason = " ".join(str(error).split())
        print(f"error: {reason} See {arguments.model.stem}.rpt.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
