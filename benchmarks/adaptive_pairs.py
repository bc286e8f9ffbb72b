"""How many comparisons pairs need that are chosen by the answers so far, against random ones: `docs/studio.md`.

    python -m benchmarks.adaptive_pairs [--studies 20]

Prints a table for teams that are close together and far apart, and the CPU seconds of choosing a pair.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from evalkit.studio.adaptive import choose_pair
from evalkit.studio.simulation import SimulationSetting, simulate

SPREADS = (1.0, 2.0, 3.0)
RATERS = (1, 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=20)
    studies = parser.parse_args().studies
    print("| spread | raters at once | random | balanced | adaptive | by seed |")
    print("|---|---|---|---|---|---|")
    for spread in SPREADS:
        for raters in RATERS:
            found = simulate(SimulationSetting(spread=spread, studies=studies, raters=raters))
            cells = [f"{spread:g}", str(raters), f"300, error {found.errors['random'][-1]:.3f}"]
            for name in ("balanced", "adaptive"):
                share = found.shares[name]
                cells.append("more" if share is None else f"{found.needed[name]} ({share:.0%})")
            cells.append(", ".join("more" if one is None else f"{one:.0%}" for one in found.by_seed))
            print(f"| {' | '.join(cells)} |", flush=True)
    for teams in (8, 16, 32):
        points = np.random.default_rng(0).integers(0, 5, (teams, teams)).astype(float)
        np.fill_diagonal(points, 0)
        before = time.process_time()
        for _ in range(20):
            choose_pair(points, np.zeros_like(points), np.ones_like(points), np.random.default_rng(0))
        print(f"choosing one of the pairs of {teams} teams: {(time.process_time() - before) / 20 * 1000:.1f} ms of CPU")


if __name__ == "__main__":
    main()
