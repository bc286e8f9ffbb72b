"""What a worker holds in memory after each video: small and 4K videos in a random order, in one confined worker.

    python -m benchmarks.memory [--videos 50] [--metrics psnr,ssim] [--networks] [--plot memory.svg]

Prints the growth over the base (after two small videos) by size, and draws the series. ``--networks`` adds the features
of all metrics that the bundled networks compute.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from memory_series import KINDS, Held, measure

from evalkit.challenges.model import load_challenge
from evalkit.files import write_text
from evalkit.scoring.plan import make_plan
from evalkit.weights.manifest import load_backbones

WIDTH, HEIGHT, EDGE = 800, 240, 40
COLOURS = dict(zip(KINDS, ("#9aa5b1", "#3e7cb1", "#e08e45", "#b3262d"), strict=True))


def table(held: Held) -> str:
    """Return the growth in MiB by size of the video, as Markdown."""
    lines = ["| after a video of | videos | median | most |", "|---|---|---|---|"]
    for kind in KINDS:
        chosen = held.growth[[one == kind for one in held.kinds]]
        if len(chosen):
            lines.append(f"| {kind} | {len(chosen)} | {np.median(chosen):+.1f} MiB | {chosen.max():+.1f} MiB |")
    return "\n".join(lines)


def plot(held: Held) -> str:
    """Return a drawing of the series: a dot per video, coloured by its size."""
    top = max(32.0, float(held.growth.max()) * 1.1)

    def place(at: int, mib: float) -> tuple[float, float]:
        return EDGE + at * (WIDTH - 2 * EDGE) / max(1, len(held.kinds) - 1), HEIGHT - EDGE - max(mib, 0) / top * (
            HEIGHT - 2 * EDGE
        )

    dots = []
    for at, (kind, mib) in enumerate(zip(held.kinds, held.growth, strict=True)):
        x, y = place(at, float(mib))
        title = f"<title>{at + 1}: {kind}, {mib:+.1f} MiB</title>"
        dots.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{COLOURS[kind]}">{title}</circle>')
    names = [
        f'<text x="{EDGE + 90 * at}" y="20" fill="{colour}">{kind}</text>'
        for at, (kind, colour) in enumerate(COLOURS.items())
    ]
    lines = [
        f'<path d="M{EDGE} {place(0, mib)[1]:.1f}H{WIDTH - EDGE}" stroke="#ddd"/>'
        f'<text x="2" y="{place(0, mib)[1]:.1f}">{mib:.0f}</text>'
        for mib in np.linspace(0, top, 5)
    ]
    words = f"MiB above the base of {held.base / (1 << 20):.0f} MiB, video by video"
    label = f'<text x="{EDGE}" y="{HEIGHT - 8}">{words}</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
        f'font-size="11">{"".join([*lines, *names, *dots, label])}</svg>\n'
    )


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=50)
    parser.add_argument("--metrics", default="psnr,ssim")
    parser.add_argument("--networks", action="store_true")
    parser.add_argument("--plot", type=Path)
    chosen = parser.parse_args()
    names = None if chosen.networks else chosen.metrics.split(",")
    plan = make_plan(load_challenge("talking-head"), load_backbones("bundled"), names=names, allow_missing=True)
    with tempfile.TemporaryDirectory() as folder:
        held = measure(Path(folder), plan.features, plan.weights, chosen.videos)
    print(f"features: {', '.join(plan.features)}")
    print(f"base: {held.base / (1 << 20):.0f} MiB; after the last video: {held.growth[-1]:+.1f} MiB")
    print(table(held))
    if chosen.plot:
        write_text(chosen.plot, plot(held))


if __name__ == "__main__":
    main()
