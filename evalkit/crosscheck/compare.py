"""Measure the lip sync of one video in every available way: in memory, through files, and the reference package.

Four rows: ``sync.latentsync`` and ``sync.mocha`` as evalkit scores them, ``sync.replicate`` through LatentSync's files,
and syncnet-python itself, run in an environment of its own with the same weights. Each of the first two is compared
with the one that it should agree with.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from evalkit.crosscheck.measuring import measure
from evalkit.errors import InputError
from evalkit.metrics.base import FeatureData, VideoInputs
from evalkit.metrics.features.base import Item, WeightFile
from evalkit.metrics.features.ffmpeg_program import find_ffmpeg
from evalkit.metrics.sync import lip_sync, replicate
from evalkit.metrics.sync.networks import DETECTOR, NETWORK
from evalkit.metrics.sync.track_scores import TrackChoice, track_syncs
from evalkit.progress import Progress
from evalkit.text import how_it_ended
from evalkit.weights.manifest import Backbones
from evalkit.weights.store import find_weights

REFERENCE = "syncnet-python"
REFERENCE_SECONDS = 3600
AudioSource = Literal["official", "own"]
_NO_ORACLES = (
    "the reference package runs in an environment of its own: build it with 'make oracles' in evalkit's source folder, "
    "and name its interpreter with --oracles or its folder with EVALKIT_ORACLES"
)


_OTHER_NETWORKS = (
    "the reference package loads S3FD and SyncNet only, and these backbones have small networks of evalkit: fetch the "
    "published ones with 'evalkit weights pull sync_detector syncnet', and use --backbones published"
)
_ERROR_LINE = re.compile(r"[\w.]+(Error|Exception|Exit|Interrupt)\b.*")
_LONGEST_DETAIL = 300


@dataclass(frozen=True)
class CrosscheckRow:
    """What one implementation measures.

    Args:
        id: the family of metrics, or the package.
        audio: ``given`` or ``own`` (of the video).
        confidence, distance, offset: of the video; ``None`` with a ``reason``. The package gives no offset of a video:
            it is that of its most confident track.
        tracks: the same of each track.
        reason: machine-readable reason for no number.
        detail: one sentence for the user.
        beside: id of the row that ``difference`` (this row less that one) is taken from.
        versions: of what computed it, where that is not evalkit.
    """

    id: str
    audio: str
    confidence: float | None = None
    distance: float | None = None
    offset: float | None = None
    tracks: tuple[Mapping[str, float], ...] = ()
    reason: str | None = None
    detail: str = ""
    beside: str | None = None
    difference: Mapping[str, float] | None = None
    versions: Mapping[str, str] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON has it."""
        return asdict(self)


@dataclass(frozen=True)
class Crosscheck:
    """The rows, and what they were made with."""

    rows: tuple[CrosscheckRow, ...]
    backbones: str
    weights: Mapping[str, str]

    @property
    def complete(self) -> bool:
        """Whether every row has its numbers."""
        return all(row.reason is None for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        rows = [row.to_json() for row in self.rows]
        return {
            "schema": 1,
            "ok": self.complete,
            "backbones": self.backbones,
            "weights": dict(self.weights),
            "rows": rows,
        }


def crosscheck(
    video: Path,
    backbones: Backbones,
    *,
    audio: Path | None = None,
    oracles: Path | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Crosscheck:
    """Score one video in all ways.

    Args:
        video: the file.
        backbones: with the roles ``sync_detector`` and ``syncnet``.
        audio: speech that belongs to the video; without it the video's own audio is used everywhere. The files of
            ``sync.replicate`` have the video's own audio in any case, as the script knows no other.
        oracles: interpreter that can import syncnet-python.
        device: ``cpu`` or ``cuda``, of evalkit's own rows.
        progress: receives every way that is finished.

    Raises:
        WeightsError: a weights file is missing or has another digest.
        InputError: the video or the speech can't be read.
    """
    weights = {role: _weight(backbones, role) for role in (DETECTOR, NETWORK)}
    if not video.is_file():
        raise InputError(f"There is no video {video}.", fix="Name a file.")
    if audio is not None:
        _check_audio(audio)
    source: AudioSource = "own" if audio is None else "official"
    item = Item(video.stem, video, audio=audio)
    with (progress or Progress()).stage("crosscheck", 3) as steps:
        data = measure("syncnet", item, weights, device)
        rows = [_row("sync.latentsync", data, source), _row("sync.mocha", data, source)]
        steps.advance()
        rows.append(_row("sync.replicate", measure("syncnet_replicate", item, weights, device), "own"))
        steps.advance()
        rows.append(_reference(video, audio, weights, oracles))
        steps.advance()
    rows[0] = _with_difference(rows[0], rows[2])
    rows[1] = _with_difference(rows[1], rows[3])
    return Crosscheck(tuple(rows), backbones.name, {role: file.sha256 for role, file in weights.items()})


def find_oracles(chosen: Path | None = None) -> Path | None:
    """Return the interpreter of the oracles: ``chosen``, that of ``EVALKIT_ORACLES``, or what ``make oracles`` built.

    Args:
        chosen: an interpreter, or the folder of an environment.

    Raises:
        InputError: ``chosen`` is not there.
    """
    text = os.environ.get("EVALKIT_ORACLES")
    built = Path(__file__).resolve().parents[2] / ".venv-oracles"  # beside evalkit/ in a source folder
    named = chosen or (Path(text) if text else built)
    python = named / "bin" / "python" if named.is_dir() else named
    if python.is_file():
        return python.absolute()
    if chosen is not None:
        raise InputError(f"There is no interpreter {python}.", fix="Build the environment with 'make oracles'.")
    return None


def _weight(backbones: Backbones, role: str) -> WeightFile:
    found = find_weights(backbones, role)
    return WeightFile(role, found.path, found.sha256, backbones.roles[role].options)


def _check_audio(audio: Path) -> None:
    if not audio.is_file():
        raise InputError(f"There is no audio file {audio}.", fix="Name a file, or leave out --audio.")


def _row(name: str, data: FeatureData, source: AudioSource) -> CrosscheckRow:
    """Return a row of evalkit's own arrays."""
    family = name.removeprefix("sync.")
    audio_source = "given" if source == "official" else "own"
    choice = TrackChoice(audio=source, tracks=family)
    metrics = {metric.record.id: metric for metric in (*lip_sync.METRICS, *replicate.METRICS)}
    values: dict[str, float] = {}
    for part in ("conf", "dist", "offset"):
        metric = metrics[f"{name}.{part}"].variant(options=choice)
        outcome = metric.score_video(VideoInputs("", {metric.record.features[0]: data}))
        if outcome.value is None:
            detail = outcome.events[0].detail if outcome.events else ""
            return CrosscheckRow(name, audio_source, reason=outcome.reason, detail=detail)
        values[part] = outcome.value
    syncs = track_syncs(data.arrays or {}, choice)
    tracks = tuple(_track(sync.confidence, sync.distance, sync.offset) for sync in syncs)
    return CrosscheckRow(name, audio_source, values["conf"], values["dist"], values["offset"], tracks)


def last_error(text: str) -> str:
    """Return the sentence of the last exception in what a Python program wrote, without the lists that follow it."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    named = [line for line in lines if _ERROR_LINE.match(line)]
    return (named or lines or [""])[-1].strip()[:_LONGEST_DETAIL]


def _track(confidence: float, distance: float, offset: float) -> Mapping[str, float]:
    return {"confidence": confidence, "distance": distance, "offset": offset}


def _with_difference(row: CrosscheckRow, other: CrosscheckRow) -> CrosscheckRow:
    """Return ``row`` with its difference to ``other``, where both have numbers."""
    if row.reason is not None or other.reason is not None:
        return replace(row, beside=other.id)
    pairs = {name: (getattr(row, name), getattr(other, name)) for name in ("confidence", "distance", "offset")}
    return replace(row, beside=other.id, difference={name: ours - theirs for name, (ours, theirs) in pairs.items()})


def _lacking(weights: Mapping[str, WeightFile], python: Path | None) -> tuple[str, str] | None:
    """Return the reason and a sentence why the reference package can't run, or ``None`` when it can."""
    if any(file.bundled for file in weights.values()):
        return "other_networks", _OTHER_NETWORKS
    if python is None:
        return "no_oracles", _NO_ORACLES
    if find_ffmpeg() is None:
        return "no_ffmpeg", "the package calls the program ffmpeg, which is not installed"
    return None


def _reference(
    video: Path, audio: Path | None, weights: Mapping[str, WeightFile], python: Path | None
) -> CrosscheckRow:
    """Return what syncnet-python measures."""
    row = CrosscheckRow(REFERENCE, "own" if audio is None else "given")
    lacking = _lacking(weights, python)
    if python is None or lacking is not None:
        reason, detail = lacking or ("no_oracles", _NO_ORACLES)
        return replace(row, reason=reason, detail=detail)
    with tempfile.TemporaryDirectory(prefix="evalkit-crosscheck-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        job = {
            "video": str(video.absolute()),
            "audio": str(audio.absolute()) if audio else None,
            "detector": str(weights[DETECTOR].path.absolute()),
            "network": str(weights[NETWORK].path.absolute()),
            "folder": str(folder / "work"),
        }
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        script = Path(__file__).with_name("syncnet_python.py")
        words = [str(python), "-I", str(script), str(folder / "job.json"), str(folder / "result.json")]
        try:
            done = subprocess.run(  # noqa: S603 - the interpreter that the user named
                words, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=REFERENCE_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return replace(row, reason="reference_failed", detail=str(error))
        if done.returncode:
            said = last_error(done.stderr.decode("utf-8", errors="replace"))
            return replace(row, reason="reference_failed", detail=said or f"it {how_it_ended(done.returncode)}")
        found = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    if not found["offsets"]:
        return replace(row, reason="no_track", detail="the package found no track", versions=found["versions"])
    tracks = tuple(map(_track, found["confidences"], found["distances"], found["offsets"]))
    best = max(tracks, key=lambda track: track["confidence"])
    return replace(
        row,
        confidence=found["confidence"],
        distance=found["distance"],
        offset=best["offset"],
        tracks=tracks,
        versions=found["versions"],
    )
