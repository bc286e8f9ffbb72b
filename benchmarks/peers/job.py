"""The clips and the weights that both programs get: real clips and random checkpoints of the published shapes."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.five_metrics import ROOT, SHARED, write_weights
from evalkit.weights.store import file_sha256

HEADS = SHARED / "data" / "talking-heads"
ORACLES = ROOT / ".venv-oracles" / "bin" / "python"
SCRIPTS = Path(__file__).with_name("scripts")


@dataclass(frozen=True)
class Work:
    """What is computed, as files.

    Args:
        job: for the peers' scripts: clips, and the checkpoint of each role.
        manifest: the same checkpoints as evalkit takes them; they lie beside it.
        testset: folder with the real clips.
        submission: ZIP with the generated ones.
    """

    job: Path
    manifest: Path
    testset: Path
    submission: Path


def write_work(folder: Path, count: int) -> Work:
    """Write the first ``count`` pairs of a real clip and its re-encoded copy, and all checkpoints."""
    weights = folder / "weights"
    weights.mkdir()
    manifest = _with_published_vocabulary(write_weights(weights), weights)
    rows = [json.loads(line) for line in (HEADS / "testset" / "samples.jsonl").read_text().splitlines()][:count]
    testset, generated = folder / "testset", folder / "generated"
    testset.mkdir()
    generated.mkdir()
    for name in ("images", "audio", "videos"):
        (testset / name).symlink_to(HEADS / "testset" / name)
    (testset / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    submission = folder / "team.zip"
    with zipfile.ZipFile(HEADS / "submissions" / "faithful.zip") as source, zipfile.ZipFile(submission, "w") as target:
        for row in rows:
            content = source.read(f"{row['id']}.mp4")
            target.writestr(f"{row['id']}.mp4", content)
            (generated / f"{row['id']}.mp4").write_bytes(content)
    clips = [
        {
            "real": str(testset / row["reference_video"]),
            "generated": str(generated / f"{row['id']}.mp4"),
            "image": str(testset / row["reference_images"][0]),
            "text": row["text"],
        }
        for row in rows
    ]
    files = {role: str(weights / entry["file"]) for role, entry in _roles(manifest).items()}
    job = folder / "job.json"
    job.write_text(json.dumps({"clips": clips, "weights": files}))
    return Work(job, manifest, testset, submission)


def _roles(manifest: Path) -> dict[str, Any]:
    roles: dict[str, Any] = yaml.safe_load(manifest.read_text())["roles"]
    return roles


def _with_published_vocabulary(manifest: Path, weights: Path) -> Path:
    """Add what the peers need beside `write_weights`: their CLIP's vocabulary, and I3D as a state dict."""
    sys.path.insert(0, str(ROOT / "tests"))
    import i3d_checkpoint

    tests = ROOT / "tests" / "oracles" / "clip_openai.py"
    told = subprocess.run([ORACLES, tests, "vocabulary"], check=True, capture_output=True, text=True)
    (weights / "vocabulary.txt.gz").write_bytes(Path(told.stdout.strip()).read_bytes())
    i3d_checkpoint.write_checkpoint(weights / "i3d_state.pt", i3d_checkpoint.random_i3d())
    roles = _roles(manifest)
    roles["clip_vocabulary"]["sha256"] = file_sha256(weights / "vocabulary.txt.gz")
    digest = file_sha256(weights / "i3d_state.pt")
    options = {"epsilon": 1e-5}
    roles["i3d_state"] = {"file": "i3d_state.pt", "sha256": digest, "licence": "none", "options": options}
    manifest.write_text(yaml.safe_dump({"name": "random", "title": "random weights", "roles": roles}))
    return manifest
