"""Write the model card of the bundled networks from measurements.

    python -m training.model_card FIGURES.json... --real REAL.json --date 2026-11-20

The files are output of ``benchmarks.bundled``; the first one is of the bundled networks, the others of other seeds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import click

from evalkit.files import write_text
from evalkit.weights.store import file_sha256
from training.publish import QUALITY_ROLES, ROLES

TEMPLATE = Path(__file__).with_name("model_card_template.md")
FOLDER = Path(str(resources.files("evalkit"))) / "reference_models" / "bundled"
INPUTS = {
    "frames": ("frames (FID, KID)", "3 x 128 x 128; 64 numbers"),
    "clips": ("16 frames (FVD, KVD)", "3 x 16 x 64 x 64; 64 numbers"),
    "faces": ("aligned faces (identity)", "3 x 64 x 64; 128 numbers"),
    "detector": ("faces and five points", "3 x 128 x 128; 16 x 16 cells"),
    "landmarks": ("face crops (landmarks)", "3 x 64 x 64; 68 points"),
    "sync": (
        "mouth crops and audio (LSE)",
        "5 mouths of 40 x 40 and 20 x 13 MFCC; 65 numbers each; out-of-distribution score of the face",
    ),
    "actions": ("frames and sentences of actions (timeline)", "3 x 128 x 128 and up to 77 words; 64 numbers each"),
    "text": ("images and captions (CLIPScore)", "3 x 96 x 96 and up to 77 words; 64 numbers each"),
}
COLUMNS = {
    "fid.pytorch": "FID",
    "fvd.styleganv": "FVD",
    "sync.latentsync.conf": "LSE-C",
    "sync.latentsync.dist": "LSE-D",
    "sync.latentsync.offset": "offset",
    "identity.strict.arc": "identity",
    "clipscore.logits100": "CLIPScore",
}
MEASURES = {
    "detection_rate": "faces found, share of frames",
    "identity_auc": "identity, AUC of same against different people",
    "identity_same_mean": "cosine, same person",
    "identity_different_mean": "cosine, different people",
    "offset_within_1": "offset within 1 frame of a planted shift of -10..10, share of videos and shifts",
    "retrieval_top1_of_16": "right caption first among 16, share of images and draws",
    "clipscore_shuffled_captions": "CLIPScore of the reference videos with other people's captions",
}


def render_card(figures: Mapping[str, Any], real: Mapping[str, Any] | None, date: str) -> str:
    """Return the card as Markdown.

    Args:
        figures: heading -> measurements of `benchmarks.bundled` on puppets; the first one is of the bundled networks.
        real: measurements of the bundled networks on real clips.
        date: of the training.
    """
    import jinja2

    training = json.loads((FOLDER / "weights" / "training.json").read_text(encoding="utf-8"))
    environment = jinja2.Environment(undefined=jinja2.ChainableUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701 - Markdown, from our own figures
    environment.filters["number"] = _number
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        date=date,
        training=training,
        files=_files(training),
        quality=[_described(FOLDER / "weights" / file) for file in QUALITY_ROLES.values()],
        figures=figures,
        real=real,
        columns=COLUMNS,
        measures=MEASURES,
    )


def _files(training: Mapping[str, Any]) -> list[dict[str, Any]]:
    parameters = {one["network"]: one["parameters"] for one in training["networks"]}
    rows = []
    for name in sorted({network for network, _ in ROLES.values()}):
        path = FOLDER / "weights" / f"{name}.safetensors"
        inputs, shape = INPUTS[name]
        rows.append({"inputs": inputs, "shape": shape, "parameters": parameters[name], **_described(path)})
    return rows


def _described(path: Path) -> dict[str, Any]:
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": file_sha256(path)}


def _number(value: Any) -> str:
    if not isinstance(value, int | float):
        return "-"
    return f"{value:.4f}" if 0.99 <= value < 1 else f"{value:.3g}"


@click.command()
@click.argument("figures", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--real", type=click.Path(exists=True, path_type=Path), help="Measurements on real clips.")
@click.option("--date", required=True, help="Date of the training.")
def main(figures: tuple[Path, ...], real: Path | None, date: str) -> None:
    """Write reference_models/bundled/MODEL_CARD.md."""
    found: dict[str, Any] = {}
    for path in figures:
        for values in json.loads(path.read_text(encoding="utf-8")).values():
            found[f"Seed {len(found) + 1}"] = values
    others = next(iter(json.loads(real.read_text(encoding="utf-8")).values())) if real else None
    write_text(FOLDER / "MODEL_CARD.md", render_card(found, others, date))


if __name__ == "__main__":
    main()
