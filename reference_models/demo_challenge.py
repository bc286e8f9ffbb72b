"""The demo's challenge: talking puppets, teams with known strengths and faults, and two broken submissions.

Existing files are kept, so that an interrupted run can continue.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit._version import __version__
from evalkit.challenges.model import Challenge, load_challenge
from evalkit.errors import UsageError
from evalkit.files import atomic_write, write_text
from evalkit.reference_models.faults import half_size, truncated
from evalkit.reference_models.generation.submission import make_submission
from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset
from evalkit.reference_models.raters import RaterPanel, SimulatedRatings, simulate_ratings
from evalkit.testsets.loading import SAMPLES_FILE, load_testset
from evalkit.testsets.model import TestSet

SIZE = 256
SECONDS = 2.4
MARKER = "demo.json"
HOSTILE_NAME = "<img src=x onerror=alert(1)>.mp4"
OUTSIDE_NAME = "../../outside.mp4"

BACKBONES = "bundled"
METRICS: Mapping[str, tuple[str, ...]] = {
    "ranked": (
        "identity.strict.arc",
        "fid.pytorch",
        "fvd.styleganv",
        "sync.latentsync.conf",
        "sync.latentsync.dist",
        "clipscore.logits100",
    ),
    # KVD and not KID: KID needs 1000 frames a side; KVD works with few videos.
    "secondary": ("kvd.styleganv", "sync.own.conf", "psnr.rgb", "ssim.gray"),
    "diagnostic": ("sync.latentsync.offset", "video.frozen_share"),
}

DIMENSIONS = ("identity_consistency", "video_quality", "lip_sync")
RATERS, RATED = 14, 50  # raters, and videos that each of them rates

CHALLENGE = """\
# The challenge of 'evalkit demo': what a challenge looks like. Change it, and see what 'evalkit challenges check' says.
schema: 1
id: demo
title: "Talking puppets: a photo and speech become a video"
submission:
  layouts: ["{{id}}.mp4"]              # one video per sample of the test set
  video:
    min_fps: 25
    max_fps: 25
    min_width: {size}
    min_height: {size}
    max_width: {size}
    max_height: {size}
    match_reference_seconds: 0.2     # as long as the speech
  audio: {{required: true}}
metrics:                             # 'evalkit metrics show ID' says what each means
{metrics}
coverage: 1.0                        # a run must have a value for every sample to be ranked
ranking: rank-sum
ranking_rules:
  group_weights: {{objective: 1, subjective: 1, speed: 0}}   # ratings count as much as all metrics together
  tie_breaks: [lip_sync]
ratings:
  method: mos
  blind: true                        # raters see item ids, which only the key resolves
  window: {{opens: 2026-03-01 AoE, closes: 2026-03-05 AoE}}
  dimensions:
    - {{id: identity_consistency, title: Identity consistency}}
    - {{id: video_quality, title: Video quality}}
    - {{id: lip_sync, title: Lip synchronization}}
  required_dimensions: [identity_consistency, video_quality, lip_sync]
"""


@dataclass(frozen=True)
class DemoTeam:
    """One entry: a generator with its options, a note for readers, and its quality for simulated raters.

    ``quality`` is the mean score for identity, video quality and lip sync, in the order of `DIMENSIONS`.
    """

    name: str
    generator: str
    note: str
    options: Mapping[str, Any] = field(default_factory=dict)
    quality: tuple[float, float, float] = (3.0, 3.0, 3.0)


TEAMS = (
    DemoTeam("truth", "truth", "upper end: the real videos, encoded again", quality=(4.6, 4.6, 4.6)),
    DemoTeam("warp", "warp", "baseline: the photo's mouth follows the speech", quality=(4.3, 3.8, 3.0)),
    DemoTeam("still", "still", "baseline: the photo, nothing moves", quality=(4.4, 3.9, 1.2)),
    DemoTeam("late", "late", "control: audio 20 frames late", {"frames": 20}, quality=(4.5, 4.4, 2.0)),
    DemoTeam("swap", "swap", "control: frames of another person", quality=(1.3, 4.4, 2.1)),
    DemoTeam("blur", "blur", "control: blurred, sigma 2 pixels", {"sigma": 2.0}, quality=(4.0, 2.0, 4.2)),
    DemoTeam(
        "jitter", "jitter", "control: frames shifted at random, sigma 2 pixels", {"sigma": 2.0}, quality=(4.3, 1.8, 3.9)
    ),
    DemoTeam("mute", "mute", "control: silence instead of speech", quality=(4.5, 4.4, 1.2)),
    DemoTeam("shuffle", "shuffle", "control: frames in random order", quality=(4.3, 1.4, 1.5)),
)
DAMAGED = DemoTeam(
    "damaged", "truth", "broken: a video missing, one cut off, one of half the size", quality=(4.6, 4.4, 4.4)
)
REFUSED = DemoTeam("refused", "truth", "broken: a file name that leaves the archive")


@dataclass(frozen=True)
class DemoChallenge:
    """The demo's folder and its content.

    Args:
        folder: where everything goes.
        seed: other seeds have other people.
        samples: how many; one person each.
        seconds: length of a clip.
        size: of the pictures in pixels.

    Raises:
        UsageError: fewer than three samples.
    """

    folder: Path
    seed: int = 0
    samples: int = 12
    seconds: float = SECONDS
    size: int = SIZE

    def __post_init__(self) -> None:
        if self.samples < 3:
            raise UsageError("The demo needs more samples.", found=str(self.samples), expected="at least 3")

    @property
    def challenge_file(self) -> Path:
        """The challenge's YAML."""
        return self.folder / "challenge.yaml"

    @property
    def testset_folder(self) -> Path:
        """The test set."""
        return self.folder / "testset"

    def submission_file(self, team: DemoTeam) -> Path:
        """Return the team's ZIP."""
        return self.folder / "submissions" / f"{team.name}.zip"

    def claim(self) -> None:
        """Check that the folder's content was made with the same options, and record them in it.

        Raises:
            UsageError: it was made with others.
            StorageError: the folder can't be written.
        """
        options = {"evalkit": __version__, "seed": self.seed, "samples": self.samples}
        options |= {"seconds": self.seconds, "size": self.size, "backbones": BACKBONES}
        marker = self.folder / MARKER
        text = json.dumps(options, indent=1) + "\n"
        if marker.is_file():
            found = marker.read_text(encoding="utf-8", errors="replace")
            if found != text:
                raise UsageError(
                    f"{self.folder} holds a demo that was made with other options.",
                    found=" ".join(found.split()),
                    expected=" ".join(text.split()),
                    fix="Name a new folder with -o, or delete this one.",
                )
            return
        write_text(marker, text)

    def challenge(self) -> Challenge:
        """Write the challenge unless its file exists, and return it."""
        if not self.challenge_file.exists():
            write_text(self.challenge_file, challenge_text(self.size))
        return load_challenge(self.challenge_file)

    def testset(self, workers: int = 1, progress: Callable[[str], None] | None = None) -> TestSet:
        """Make the test set, or return the one that is there."""
        if not (self.testset_folder / SAMPLES_FILE).is_file():
            puppets = PuppetTestSet(self.testset_folder, self.seed, self.samples, seconds=self.seconds, size=self.size)
            write_puppet_testset(puppets, workers, progress)
        return load_testset(self.testset_folder)

    def submission(
        self, team: DemoTeam, testset: TestSet, workers: int = 1, progress: Callable[[str], None] | None = None
    ) -> Mapping[str, str]:
        """Make a team's ZIP unless it is there; return why samples failed.

        No ``speed.json`` goes into it: the same options give the same bytes.
        """
        path = self.submission_file(team)
        if path.is_file():
            return {}
        run = make_submission(
            team.generator,
            testset,
            path,
            options=team.options,
            seed=self.seed,
            workers=workers,
            backbones=BACKBONES,
            challenge=self.challenge(),
            progress=progress,
            with_speed=False,
        )
        return run.failures

    def damaged(self, testset: TestSet) -> None:
        """Make the submission that can be scored in part: a video missing, one cut off, one of half the size.

        It also holds a file with a name that pages and terminals must not act on.
        """
        files = self._truth(testset)
        names = sorted(files)
        del files[names[0]]
        files[names[1]] = truncated(files[names[1]])
        files[names[2]] = half_size(files[names[2]])
        files[HOSTILE_NAME] = b"not a video"
        self._write(DAMAGED, files)

    def refused(self, testset: TestSet) -> None:
        """Make the submission that is rejected before any file in it is opened."""
        self._write(REFUSED, {**self._truth(testset), OUTSIDE_NAME: b"not a video"})

    @property
    def ratings_file(self) -> Path:
        """The ratings of the simulated raters."""
        return self.folder / "ratings" / "ratings.csv"

    @property
    def key_file(self) -> Path:
        """Which team's video of which sample the raters' items are."""
        return self.folder / "ratings" / "key.csv"

    def ratings(self, videos: Sequence[tuple[str, str]]) -> SimulatedRatings:
        """Simulate ratings of ``videos``, (team, sample) each, and write them and the key."""
        window = self.challenge().ratings.window
        opens, closes = (window.opens_at(), window.closes_at()) if window else (None, None)
        if opens is None or closes is None:
            raise UsageError("The demo's raters need to know when they rate.", fix="Give 'ratings.window' both ends.")
        quality = {team.name: dict(zip(DIMENSIONS, team.quality, strict=True)) for team in (*TEAMS, DAMAGED)}
        sheet = simulate_ratings(videos, quality, RaterPanel(opens, closes, RATERS, RATED, self.seed))
        write_text(self.key_file, sheet.key_csv())  # first: ratings without a key are of no use
        write_text(self.ratings_file, sheet.ratings_csv())
        return sheet

    def _truth(self, testset: TestSet) -> dict[str, bytes]:
        self.submission(TEAMS[0], testset)
        with zipfile.ZipFile(self.submission_file(TEAMS[0])) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    def _write(self, team: DemoTeam, files: Mapping[str, bytes]) -> None:
        path = self.submission_file(team)
        if path.is_file():
            return
        with atomic_write(path) as stream, zipfile.ZipFile(stream, "w") as archive:
            for name, data in files.items():
                archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data)


def challenge_text(size: int = SIZE) -> str:
    """Return the demo's challenge as YAML, for videos of ``size`` x ``size`` pixels."""
    lines = [f"  - {{id: {name}, weight: 1}}" for name in METRICS["ranked"]]
    lines += [f"  - {{id: {name}, rank: false}}" for name in METRICS["secondary"]]
    lines += [f"  - {{id: {name}, rank: false, group: diagnostic}}" for name in METRICS["diagnostic"]]
    return CHALLENGE.format(size=size, metrics="\n".join(lines))
