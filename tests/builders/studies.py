"""A whole rating study on the disk: a board, teams' ZIPs with small videos, a test set and a plan."""

from __future__ import annotations

import atexit
import functools
import hashlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image
from scorecards import small_card

from evalkit.board import Board
from evalkit.challenges.model import parse_challenge
from evalkit.media.encode import write_video
from evalkit.progress import Progress
from evalkit.scoring.scorecard import Scorecard
from evalkit.studio.journal import Journal
from evalkit.studio.plan_model import Plan, new_id, new_token, plan_from_json, write_plan
from evalkit.studio.serving import ServeOptions, open_studio

RULES = """schema: 1
id: talk
title: Talking faces
submission: {runs: {max: 3, primary: 1}}
ratings:
  method: METHOD
  blind: true
  dimensions:
    - {id: sync, title: Lip synchrony}
    - {id: natural, title: Naturalness}
"""
TEAMS = ("Nebula Lab", "Quasar Group")
SAMPLES = ("s1", "s2")
CONSENT = "We store your answers and a random token."


@dataclass(frozen=True)
class BuiltStudy:
    """Where the parts of a study lie, and its plan."""

    folder: Path
    plan: Plan

    @property
    def board(self) -> Path:
        return self.folder / "board.sqlite"

    @property
    def submissions(self) -> Path:
        return self.folder / "zips"

    @property
    def testset(self) -> Path:
        return self.folder / "testset"

    @property
    def plan_path(self) -> Path:
        return self.folder / "plan.json"

    @property
    def secrets(self) -> list[bytes]:
        """What no browser may ever see: teams, runs, files, who rates."""
        words = [*TEAMS, *(team.split()[0] for team in TEAMS), "main run", "zips", ".zip", *self.plan.raters]
        return [word.encode() for word in words]


def build_study(
    folder: Path,
    *,
    raters: int = 3,
    method: str = "mos",
    repeats: bool = True,
    board: str | None = None,
    samples: Sequence[str] = SAMPLES,
    frames: int = 48,
    training: int = 1,
    **page: Any,
) -> BuiltStudy:
    """Make a study of two teams in ``folder``, and return it.

    Args:
        folder: an empty one.
        raters: how many; all see all items, in another order.
        method: ``mos`` or ``pairs``.
        repeats: whether each rater sees a video twice, and a training and a gold item.
        board: place of the board, if not in the folder.
        samples: of the test set.
        frames: of each video, 24 a second.
        training: number of training items.
        page: fields of the plan's page.
    """
    videos = _videos(tuple(samples), frames)
    cards = {team: _zip(folder, team, videos) for team in TEAMS}
    text = RULES.replace("METHOD", method)
    challenge = parse_challenge(text, "test")
    with Board.create(board or folder / "board.sqlite", challenge, text, by="olga") as made:
        for team, digest in cards.items():
            made.add_run(team, "main run", _card(team, digest, challenge, len(samples)), by="olga", new_team=True)
    _testset(folder, samples)
    plan = _plan(challenge, videos, raters, method, repeats=repeats, practice=training, page=page)
    write_plan(plan, folder / "plan.json")
    return BuiltStudy(folder, plan)


def prepared_study(folder: Path, *, samples: Sequence[str] = SAMPLES, frames: int = 48, **options: Any) -> BuiltStudy:
    """Make a study whose files for browsers are there already, as after a first start; see `build_study`.

    They are made once for all studies of the same samples and frames. No worker starts when such a study is served.
    """
    study = build_study(folder, samples=samples, frames=frames, **options)
    like, secret = _prepared(tuple(samples), frames)
    made, data = like.folder / "plan-studio" / "media", folder / "plan-studio"
    data.mkdir(mode=0o700)
    (data / "media").mkdir(mode=0o700)
    journal = Journal.open(data / "studio.sqlite", study.plan.sha256)
    journal.apply([("UPDATE facts SET value = ? WHERE name = 'secret'", (secret.hex(),))])  # of the references' names
    journal.close()
    names = {(one.team, one.sample): name for name, one in like.plan.media.items()}
    for name, one in study.plan.media.items():
        shutil.copy(made / f"1-{names[one.team, one.sample]}.mp4", data / "media" / f"1-{name}.mp4")
    for reference in (*made.glob("*.png"), *made.glob("*.wav")):
        shutil.copy(reference, data / "media")
    return study


@functools.cache
def _prepared(samples: tuple[str, ...], frames: int) -> tuple[BuiltStudy, bytes]:
    """Return a study that was started once, and its secret."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    study = build_study(folder, samples=samples, frames=frames)
    asked = ServeOptions(study.plan_path, study.submissions, study.testset, port=0)
    with Board.open(study.board) as board, open_studio(board, asked, Progress()) as running:
        return study, running.journal.secret


@functools.cache
def _videos(samples: tuple[str, ...], count: int) -> dict[tuple[str, str], bytes]:
    with tempfile.TemporaryDirectory() as folder:
        return _encoded(Path(folder), samples, count)


def _encoded(folder: Path, samples: Sequence[str], count: int) -> dict[tuple[str, str], bytes]:
    found = {}
    rng = np.random.default_rng(1)
    for number, (team, sample) in enumerate((team, sample) for team in TEAMS for sample in samples):
        made, named = folder / "made.mp4", folder / "named.mp4"
        noise = rng.integers(0, 40, (count, 64, 64, 3), dtype=np.uint8)
        frames = [
            np.clip(picture + 50 * number % 200 + at % 48, 0, 255).astype(np.uint8) for at, picture in enumerate(noise)
        ]
        tone = 0.1 * np.sin(np.arange(count * 16_000 // 24) * (0.1 + number / 50)).astype(np.float32)
        write_video(made, frames, 24, tone, preset="ultrafast")
        _name(made, named, team)
        found[team, sample] = named.read_bytes()
        made.unlink()
        named.unlink()
    return found


def _name(source: Path, target: Path, team: str) -> None:
    """Copy a video to a file whose tags name its team."""
    with av.open(str(source)) as given, av.open(str(target), "w", format="mp4") as made:
        made.metadata["title"] = f"{team} main run"
        streams = {stream.index: made.add_stream_from_template(stream) for stream in given.streams}
        for stream in streams.values():
            stream.metadata["handler_name"] = team
        for packet in given.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                made.mux(packet)


def _zip(folder: Path, team: str, videos: dict[tuple[str, str], bytes]) -> str:
    place = folder / "zips" / f"{team}.zip"
    place.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(place, "w") as archive:
        for (whose, sample), video in videos.items():
            if whose == team:
                archive.writestr(f"{sample}.mp4", video)
    return hashlib.sha256(place.read_bytes()).hexdigest()


def _card(team: str, digest: str, challenge: Any, samples: int) -> Scorecard:
    about = {"id": challenge.id, "sha256": challenge.scoring_sha256, "title": challenge.title}
    card = small_card(team, {"identity.strict": [0.5] * samples}, challenge=about)
    document = json.loads(card.to_json())
    document["submission"]["sha256"] = digest
    return Scorecard.from_json(json.dumps(document), "test")


def _testset(folder: Path, samples: Sequence[str]) -> None:
    place = folder / "testset"
    place.mkdir()
    lines = []
    for number, sample in enumerate(samples):
        Image.new("RGB", (64, 64), (40 * number % 256, 90, 120)).save(place / f"{sample}.jpg", comment=b"by Nebula Lab")
        _wav(place / f"{sample}.wav", 200 + 100 * number)
        lines.append({"id": sample, "reference_images": [f"{sample}.jpg"], "audio": f"{sample}.wav"})
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (place / "samples.jsonl").write_text(text, encoding="utf-8")


def _wav(path: Path, hertz: float) -> None:
    import wave

    samples = np.round(8000 * np.sin(2 * np.pi * hertz * np.arange(16_000) / 16_000)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples.tobytes())


def _plan(challenge: Any, videos: Any, raters: int, method: str, *, repeats: bool, practice: int, page: Any) -> Plan:
    media = {
        new_id(): {
            "team": team,
            "run": "main run",
            "sample": sample,
            "submission": f"{team}.zip",
            "file": f"{sample}.mp4",
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        for (team, sample), content in videos.items()
    }
    items: dict[str, dict[str, Any]] = {}
    if method == "mos":
        for medium, about in media.items():
            items[new_id()] = {"media": [medium], "sample": about["sample"], "kind": "rating"}
    else:
        for sample in dict.fromkeys(about["sample"] for about in media.values()):
            both = [medium for medium, about in media.items() if about["sample"] == sample]
            items[new_id()] = {"media": both, "sample": sample, "kind": "rating"}
    orders: list[list[str]] = [list(items) for _ in range(raters)]
    first = next(iter(items))
    if repeats and method == "mos":
        gold = {"kind": "gold", "expected": {"sync": [4, 5]}}
        training, known, again = [new_id() for _ in range(practice)], new_id(), new_id()
        shown = {"media": items[first]["media"], "sample": items[first]["sample"]}
        items |= {**{one: {**shown, "kind": "training"} for one in training}, known: {**shown, **gold}}
        items[again] = {**shown, "kind": "repeat", "repeat_of": first}
        orders = [[*training, *order, known, again] for order in orders]
    document = {
        "format": 1,
        "challenge": {"id": challenge.id, "sha256": challenge.sha256},
        "seed": 1,
        "method": method,
        "questions": [
            {"id": one.id, "title": one.title, "scale": list(one.scale) if method == "mos" else None}
            for one in challenge.ratings.dimensions
        ],
        "page": {"title": "Talking faces", "consent": CONSENT, "contact": "study@example.org", **page},
        "completion": {"code": "CODE-1234"},
        "organizer": new_token(),
        "join": new_token(),
        "samples": {
            sample: {"image": f"{sample}.jpg", "audio": f"{sample}.wav"}
            for sample in dict.fromkeys(sample for _, sample in videos)
        },
        "media": media,
        "items": items,
        "raters": {f"rater-{at + 1}": {"token": new_token(), "items": orders[at]} for at in range(raters)},
    }
    return plan_from_json(json.dumps(document))
