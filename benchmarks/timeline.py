"""How `timeline.v1` orders videos whose events are at their times, some seconds late, in reverse, or frozen.

    python -m benchmarks.timeline [--weights FILE] [--identities 30] [--seeds 3] [-o OUT.json]

Acting puppets of held-out seeds (`evalkit testset make --kind timeline`): 2, 3 and 4 actions in turn. Each frame is
rendered and embedded once, without a video file; a control is an order in which the frames are shown (those of the
generators `shifted`, `reversed` and `frozen`), from which eight a second are taken as the metric does. Prints the
tables of docs/definitions/timeline.md and of the model card.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from evalkit.media.sampling import AtRate
from evalkit.metrics.clip.cosines import unit_rows
from evalkit.metrics.networks.clip import middle_square
from evalkit.metrics.networks.small.inputs import WordNumbers
from evalkit.metrics.networks.small.texts import SmallActions
from evalkit.metrics.timeline.features import RATE
from evalkit.metrics.timeline.metrics import METRICS
from evalkit.reference_models.puppet import captions
from evalkit.reference_models.puppet.motion import FPS
from evalkit.reference_models.puppet.scene import Scene
from evalkit.reference_models.puppet.testset import PuppetTestSet
from evalkit.weights.store import file_sha256
from training.dataset import SENTENCES

HELD_OUT = 90310  # the first seed
BUNDLED = Path(str(resources.files("evalkit"))) / "reference_models" / "bundled" / "weights" / "actions.safetensors"
COLUMNS = ("nacc", "tiou", "acc_t2v", "acc_v2t", "margin", "order", "boundary_error", "tiou.shuffled", "tiou.frozen")
# From the best to the worst; what is frozen and what has the wrong texts stands beside.
ORDERED = ("truth", "0.5 s late", "1 s late", "2 s late")
LAST = ("reversed", "frozen")
WRONG = "truth, texts exchanged"
Order = NDArray[np.int64]


@dataclass(frozen=True)
class Acted:
    """One video, frame by frame.

    Args:
        vectors: (N, D) of every frame.
        times: (E, 2) start and end of each event, in seconds.
        names: of the actions, by `motion.ACTIONS`.
        texts: (E, D) of the events' descriptions.
    """

    vectors: NDArray[np.float32]
    times: NDArray[np.float64]
    names: tuple[str, ...]
    texts: NDArray[np.float32]

    def shown(self, order: Order) -> dict[str, NDArray[Any]]:
        """Return the arrays of `timeline_frames` of the frames in ``order``."""
        starts = np.arange(len(order)) / FPS
        picked = np.unique(AtRate(RATE).select(starts))
        middle = starts[picked] + 0.5 / FPS
        return {"embedding": self.vectors[order[picked]], "time": middle, "length": np.array(len(order) / FPS)}

    def events(self, shift: int = 0) -> dict[str, NDArray[Any]]:
        """Return the arrays of `timeline_events`; ``shift`` exchanges the texts in a circle."""
        texts = np.roll(self.texts, shift, axis=0)
        return {"embedding": texts, "time": self.times, "tokens": np.full(len(texts), 4)}


def orders(count: int) -> dict[str, Order]:
    """Return the frames that each control shows, of ``count``."""
    frames = np.arange(count)
    late = {f"{seconds:g} s late": np.roll(frames, round(seconds * FPS)) for seconds in (0.5, 1, 2)}
    return {"truth": frames, **late, "reversed": frames[::-1], "frozen": np.zeros_like(frames)}


def acted(network: SmallActions, scene: Scene) -> Acted:
    """Return the scene as the network sees it."""
    squares = [middle_square(frame, network.sizes.side, "openai") for frame in scene.frames()]
    names = tuple(action.name for action in scene.actions)
    texts = network.embed_texts(WordNumbers().tokens([captions.event_text(name) for name in names]).numbers)
    times = np.array([(action.start, action.end) for action in scene.actions])
    return Acted(network.embed_images(squares), times, names, texts)


def measured(videos: list[Acted]) -> dict[str, dict[str, list[float]]]:
    """Return the values of every control and metric, by video."""
    metrics = {str(one.record.id).removeprefix("timeline.v1."): one for one in METRICS}
    rows: dict[str, dict[str, list[float]]] = {}
    for video in videos:
        shown = {name: (order, 0) for name, order in orders(len(video.vectors)).items()}
        shown[WRONG] = (shown["truth"][0], 1)
        for control, (order, shift) in shown.items():
            arrays = {"timeline_frames": video.shown(order), "timeline_events": video.events(shift)}
            for name in COLUMNS:
                value = metrics[name].compute(arrays).value
                if not isinstance(value, float):
                    raise click.ClickException(f"{name} of {control} has no value")
                rows.setdefault(control, {}).setdefault(name, []).append(value)
    return rows


def by_action(videos: list[Acted], sentences: NDArray[np.float32]) -> dict[str, list[int]]:
    """Return for every action how many of its frames fit which sentence best; frames near its ends are left out."""
    found = {name: np.zeros(len(sentences), np.int64) for name in SENTENCES}
    for video in videos:
        vectors = unit_rows(video.vectors)
        if vectors is None:
            raise click.ClickException("The network gives no vectors.")
        best = (vectors @ sentences.T).argmax(axis=1)
        middle = (np.arange(len(vectors)) + 0.5) / FPS
        for name, (start, end) in zip(video.names, video.times, strict=True):
            inside = (middle > start + 0.25) & (middle < end - 0.25)
            found[captions.event_text(name)] += np.bincount(best[inside], minlength=len(sentences))
        idle = np.all([(middle < s) | (middle > e) for s, e in video.times], axis=0)
        found[SENTENCES[0]] += np.bincount(best[idle], minlength=len(sentences))
    return {name: counts.tolist() for name, counts in found.items()}


def report(found: list[dict[str, dict[str, list[float]]]], counts: list[list[int]]) -> dict[str, Any]:
    """Return the figures: means over videos of all seeds, those of each seed, and what the order is in each.

    Args:
        found: of each seed, what `measured` gives.
        counts: of each seed, how many events each video has.
    """
    means = {
        control: {name: [float(np.mean(seed[control][name])) for seed in found] for name in COLUMNS}
        for control in found[0]
    }
    holds = {}
    for name in COLUMNS[:-2]:
        sign = -1 if name == "boundary_error" else 1
        good = []
        for seed in range(len(found)):
            line = [sign * means[control][name][seed] for control in ORDERED]
            last = max(sign * means[control][name][seed] for control in LAST)
            good.append({"descending": bool(np.all(np.diff(line) < 0)), "above_the_last": bool(line[0] > last),
                         "all_above_the_last": bool(min(line) > last)})  # fmt: skip
        holds[name] = good
    every = [row for seed in counts for row in seed]
    by_count = {}
    for events in sorted(set(every)):
        rows = [at for at, count in enumerate(every) if count == events]
        by_count[str(events)] = {"videos": len(rows), "chance": 1 / events} | {
            control: {
                name: float(np.mean(np.concatenate([np.asarray(seed[control][name]) for seed in found])[rows]))
                for name in ("acc_t2v", "acc_v2t", "tiou")
            }
            for control in (*ORDERED, *LAST, WRONG)
        }
    return {"means": means, "holds": holds, "by_count": by_count}


def table(means: Mapping[str, Mapping[str, list[float]]]) -> str:
    """Return the means over all seeds in Markdown, in parentheses the smallest and largest of a seed."""
    lines = [f"| shown | {' | '.join(COLUMNS)} |", f"|---|{'---|' * len(COLUMNS)}"]
    for control, values in means.items():
        cells = [f"{np.mean(v):.2f} ({min(v):.2f} to {max(v):.2f})" for v in (values[name] for name in COLUMNS)]
        lines.append(f"| {control} | {' | '.join(cells)} |")
    return "\n".join(lines)


@click.command()
@click.option("--weights", type=click.Path(exists=True, path_type=Path), default=BUNDLED, show_default="bundled")
@click.option("--identities", type=int, default=30, show_default=True, help="Videos of each seed.")
@click.option("--seconds", type=float, default=6.0, show_default=True)
@click.option("--seeds", type=int, default=3, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(weights: Path, identities: int, seconds: float, seeds: int, output: Path | None) -> None:
    """Measure the network of one file."""
    network = SmallActions(weights, file_sha256(weights))
    sentences = unit_rows(network.embed_texts(WordNumbers().tokens(SENTENCES).numbers))
    if sentences is None:
        raise click.ClickException("The network gives no vectors.")
    found, counts, videos = [], [], []
    for seed in range(HELD_OUT, HELD_OUT + seeds):
        scenes = PuppetTestSet(Path("unused"), seed, identities, seconds=seconds, kind="timeline").scenes()
        mine = [acted(network, scene) for scene in scenes.values()]
        found.append(measured(mine))
        counts.append([len(video.names) for video in mine])
        videos += mine
        click.echo(f"seed {seed}", err=True)
    result = report(found, counts)
    result["frames"] = by_action(videos, sentences)
    click.echo(table(result["means"]))
    click.echo(json.dumps({"holds": result["holds"], "by_count": result["by_count"]}, indent=1))
    for number, (name, row) in enumerate(result["frames"].items()):
        total = max(1, sum(row))
        click.echo(f"{name}: {row[number] / total:.2f} of {total} frames; {(np.array(row) / total).round(2).tolist()}")
    if output:
        output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
