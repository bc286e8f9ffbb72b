"""Whether the bundled lip-sync network tells a faithful video from a late and a still one: the table of its docs.

    python -m benchmarks.lip_sync                               # the bundled network, on puppets
    python -m benchmarks.lip_sync --real DIR                    # and on a folder with testset/ and submissions/
    python -m benchmarks.lip_sync --sync FOLDER --sync FOLDER   # besides, networks of other training seeds

A FOLDER holds ``sync.safetensors``, as ``python -m training.train --only sync --people 0 --seed N`` writes it; the face
detector stays the bundled one. A video is ordered when faithful > late > still holds for its confidence, and for its
distance the other way round. Only videos count whose mouth moves (no event ``still_mouth`` in the faithful one). One
without a number is withheld, by its reason.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import click
import numpy as np

import evalkit
from evalkit.challenges.model import load_challenge
from evalkit.reference_models.generation.submission import make_submission
from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset
from evalkit.scoring.scorecard import Scorecard
from training.publish import manifest

HELD_OUT = 90210  # the seed of benchmarks.bundled: no puppet of it is in a training dataset
CONTROLS: dict[str, tuple[str, dict[str, Any], int | None]] = {
    # name: generator, options, offset that the video has; None where no offset within the 15 frames of the search fits
    "faithful": ("truth", {}, 0),
    "late 6": ("late", {"frames": 6}, -6),
    "late 20": ("late", {"frames": 20}, None),
    "still": ("still", {}, None),
}
CONFIDENCE, DISTANCE, OFFSET = "sync.latentsync.conf", "sync.latentsync.dist", "sync.latentsync.offset"
METRICS = (CONFIDENCE, DISTANCE, OFFSET, "sync.own.conf", "sync.own.dist", "sync.own.offset")
NEAR = 2  # frames


def networks_with(sync: Path | None, folder: Path) -> Path:
    """Write the bundled networks to ``folder``, with another lip-sync network, and return the file of the backbones."""
    bundled = Path(str(resources.files("evalkit"))) / "reference_models" / "bundled" / "weights"
    folder.mkdir(parents=True, exist_ok=True)
    for path in bundled.glob("*.safetensors"):
        shutil.copyfile(path, folder / path.name)
    if sync is not None:
        shutil.copyfile(sync / "sync.safetensors", folder / "sync.safetensors")
    backbones = folder / "backbones.yaml"
    backbones.write_text(manifest(folder, "retrained"), encoding="utf-8")
    return backbones


def score(path: Path, testset: Path, backbones: Path, work: Path, workers: int) -> Scorecard:
    """Return the scorecard of a submission by the networks beside ``backbones``."""
    os.environ["EVALKIT_WEIGHTS"] = str(backbones.parent)
    return evalkit.score(
        path, load_challenge("talking-head"), testset, metrics=METRICS, backbones=backbones, workers=workers,
        cache=work / "cache", out=work / "cards" / f"{backbones.parent.name}-{path.stem}",
    )  # fmt: skip


def values(card: Scorecard, metric: str) -> dict[str, float]:
    """Return the values of the videos that have one, by sample."""
    return {video.sample: value for video in card.videos if (value := video.values.get(metric)) is not None}


def row(card: Scorecard, expected: int | None) -> dict[str, Any]:
    """Return the numbers of one submission; offsets are compared with ``expected``."""
    offsets = values(card, OFFSET)
    reasons = Counter(video.reasons[CONFIDENCE] for video in card.videos if CONFIDENCE in video.reasons)
    near = [abs(offset - expected) <= NEAR for offset in offsets.values()] if expected is not None else []
    return {
        "videos": len(card.videos),
        "scored": len(offsets),
        "withheld": dict(sorted(reasons.items())),
        "still_mouth": sum(any(event.kind == "still_mouth" for event in video.events) for video in card.videos),
        "lse_c": card.metrics[CONFIDENCE].value,
        "lse_d": card.metrics[DISTANCE].value,
        "offset": card.metrics[OFFSET].value,
        "share_at_mode": card.metrics[OFFSET].details.get("share_at_mode"),
        "own_offset": card.metrics["sync.own.offset"].value,
        "within_2": float(np.mean(near)) if near else None,
    }


def ordered(cards: Mapping[str, Scorecard], names: tuple[str, str, str]) -> dict[str, Any]:
    """Return in how many videos with a moving mouth the first submission is better than the second, and so on."""
    still = {video.sample for video in cards[names[0]].videos if any(e.kind == "still_mouth" for e in video.events)}
    found: dict[str, Any] = {"order": " > ".join(names)}
    for name, metric, sign in (("lse_c", CONFIDENCE, 1), ("lse_d", DISTANCE, -1)):
        columns = [values(cards[one], metric) for one in names]
        samples = [sample for sample in columns[0] if sample not in still and all(sample in one for one in columns)]
        found["videos"] = len(samples)
        found[name] = sum(
            sign * columns[0][sample] > sign * columns[1][sample] > sign * columns[2][sample] for sample in samples
        )
    return found


def measure(sync: Path | None, testsets: Mapping[str, tuple[Path, dict[str, Path]]], work: Path, workers: int) -> Any:
    """Return the rows of every submission by one network, and the orders of puppets."""
    backbones = networks_with(sync, work / "networks" / (sync.name if sync else "bundled"))
    result: dict[str, Any] = {"training": _training(sync), "rows": {}, "orders": []}
    for world, (testset, paths) in testsets.items():
        cards = {}
        for name, path in paths.items():
            cards[name] = score(path, testset, backbones, work, workers)
            shown = row(cards[name], CONTROLS[name][2] if world == "puppets" else 0)
            result["rows"][f"{world}: {name}"] = shown
            click.echo(f"{world}: {name} {json.dumps(shown)}", err=True)
        if world == "puppets":
            result["orders"] = [ordered(cards, ("faithful", late, "still")) for late in ("late 6", "late 20")]
    return result


def _training(sync: Path | None) -> dict[str, Any]:
    record = (sync / "training.json") if sync else None
    if record is None or not record.exists():
        return {"seed": "bundled"}
    found = json.loads(record.read_text(encoding="utf-8"))
    return {"seed": found["seed"], **next(one for one in found["networks"] if one["network"] == "sync")}


def as_table(results: Mapping[str, Any]) -> str:
    """Return the Markdown tables."""
    lines = ["| network | videos | scored | withheld | LSE-C | LSE-D | offset | at the mode | within 2 frames |"]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    for network, result in results.items():
        for name, one in result["rows"].items():
            withheld = ", ".join(f"{reason} {count}" for reason, count in one["withheld"].items()) or "-"
            numbers = [_number(one[key]) for key in ("lse_c", "lse_d", "offset")]
            shares = [_share(one[key]) for key in ("share_at_mode", "within_2")]
            cells = [f"{network}, {name}", str(one["videos"]), str(one["scored"]), withheld, *numbers, *shares]
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| network | order | videos | by LSE-C | by LSE-D |", "|---|---|---|---|---|"]
    for network, result in results.items():
        for one in result["orders"]:
            lines.append(f"| {network} | {one['order']} | {one['videos']} | {one['lse_c']} | {one['lse_d']} |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


@click.command()
@click.option("--sync", multiple=True, type=click.Path(exists=True, path_type=Path), help="Folder; repeatable.")
@click.option("--no-bundled", is_flag=True, help="Leave out the bundled network.")
@click.option("--identities", type=int, default=12, show_default=True, help="Of puppets, a video each.")
@click.option("--seconds", type=float, default=3.0, show_default=True, help="Length of a puppet's video.")
@click.option("--real", type=click.Path(exists=True, path_type=Path), help="Real clips besides.")
@click.option("--workers", type=int, default=1, show_default=True)
@click.option("--work", type=click.Path(path_type=Path), help="Keep the work here, and go on from it.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the numbers as JSON.")
def main(  # noqa: PLR0917 - click passes options by name
    sync: tuple[Path, ...], no_bundled: bool, identities: int, seconds: float, real: Path | None, workers: int,
    work: Path | None, output: Path | None,
) -> None:  # fmt: skip
    """Measure the networks and print the tables."""
    with tempfile.TemporaryDirectory() as temporary:
        place = (work or Path(temporary)).resolve()
        place.mkdir(parents=True, exist_ok=True)
        world = place / f"puppets-{identities}-{seconds:g}"
        if not (world / "samples.jsonl").exists():
            write_puppet_testset(PuppetTestSet(world, HELD_OUT, identities, 1, seconds), workers)
        made = {}
        for name, (generator, options, _) in CONTROLS.items():
            made[name] = world.with_name(f"{world.name}-{name.replace(' ', '-')}.zip")
            if not made[name].exists():
                make_submission(generator, world, made[name], options=options, seed=1, workers=workers)
        testsets = {"puppets": (world, made)}
        if real is not None:
            paths = {path.stem: path for path in sorted((real / "submissions").glob("*.zip"))}
            testsets["real"] = (real / "testset", paths)
        networks = [*([] if no_bundled else [None]), *sync]
        results = {(one.name if one else "bundled"): measure(one, testsets, place, workers) for one in networks}
        if output:
            output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        click.echo(as_table(results))


if __name__ == "__main__":
    main()
