"""How often a report on groups of people raises a false alarm, and how often it finds a gap.

    python -m benchmarks.fairness [--simulations 500]

Each simulation is a whole report (`evalkit.groups.computing.compare_groups`): two submissions, five measures in which
people differ, two videos of each person, by ethnicity (four groups, one of them too small) and gender. Without a gap, a
report with any significant gap is a false alarm. With a gap, one measure of one submission is lower in one group, by so
many standard deviations over people.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from evalkit.groups.computing import compare_groups
from evalkit.groups.inputs import Entry, GroupedSamples, SampleValues
from evalkit.groups.model import FairnessReport, FairnessRules, Measure

PEOPLE, EACH, MEASURES = 90, 2, 5
ETHNICITIES = ("Asian",) * 44 + ("White",) * 24 + ("African",) * 18 + ("other",) * 4
GAPS = (0.0, 0.5, 1.0, 1.5)
CONFIDENCE = 1.96


def simulated_report(seed: int, gap: float, *, permutations: int = 999, by_video: bool = False) -> FairnessReport:
    """Return one report.

    Args:
        seed: of people, videos and shuffles.
        gap: how far the first measure of the first submission is behind for the group African.
        permutations: of each test.
        by_video: whether the videos' people are not told, so that every video counts as another person.
    """
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(PEOPLE), EACH)
    samples = tuple(f"s{at}" for at in range(len(person)))
    gender = rng.permutation(np.arange(PEOPLE) % 2)
    entries = []
    for entry in range(2):
        of_person = rng.normal(size=(PEOPLE, MEASURES))
        values = of_person[person] + 0.3 * rng.normal(size=(len(person), MEASURES))
        if entry == 0:
            values[:, 0] -= gap * np.array([ETHNICITIES[one] == "African" for one in person])
        measured = tuple(
            SampleValues(Measure(f"m{at}", f"m{at}"), dict(zip(samples, values[:, at].tolist(), strict=True)))
            for at in range(MEASURES)
        )
        entries.append(Entry(f"team {entry + 1}", measured))
    people = GroupedSamples(
        samples,
        {
            "ethnicity": {sample: ETHNICITIES[one] for sample, one in zip(samples, person, strict=True)},
            "gender": {sample: "fm"[gender[one]] for sample, one in zip(samples, person, strict=True)},
        },
        {sample: sample if by_video else f"p{one}" for sample, one in zip(samples, person, strict=True)},
        identities_known=not by_video,
    )
    return compare_groups(entries, people, FairnessRules(permutations=permutations, draws=100, seed=seed))


def found(report: FairnessReport) -> tuple[bool, bool]:
    """Return whether the planted gap is significant, and whether any other is."""
    planted = report.table("ethnicity", "m0", "team 1")
    others = any(report.significant(table) for table in report.tables if table is not planted)
    return report.significant(planted), others


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=500)
    count = parser.parse_args().simulations
    cpu, wall = time.process_time(), time.perf_counter()
    print(f"{count} simulations each; {PEOPLE} people, {EACH} videos of each, 20 tests a report")
    for gap in GAPS:
        results = [found(simulated_report(seed, gap)) for seed in range(count)]
        planted, others = (np.mean([result[at] for result in results]) for at in (0, 1))
        if gap == 0:
            alarms = np.mean([any(result) for result in results])
            print(f"no gap:          false alarms {_share(alarms, count)}")
        else:
            print(f"gap {gap:.1f} sd:      found {_share(planted, count)}, another called {_share(others, count)}")
    naive = np.mean([any(found(simulated_report(seed, 0.0, by_video=True))) for seed in range(count)])
    print(f"no gap, people not told (each video another person): false alarms {_share(naive, count)}")
    report = simulated_report(0, 0.0)
    small = [line for table in report.tables for line in table.lines if line.value == "other"]
    few = sum(line.too_few is not None for line in small)
    print(f"group 'other', 8 videos of 4 people: {len(small)} lines, {few} of them too few to say")
    print(f"{time.process_time() - cpu:.0f} CPU seconds, {time.perf_counter() - wall:.0f} s")


def _share(share: float, count: int) -> str:
    half = CONFIDENCE * np.sqrt(share * (1 - share) / count)
    return f"{share:.1%} (± {half:.1%})"


if __name__ == "__main__":
    main()
