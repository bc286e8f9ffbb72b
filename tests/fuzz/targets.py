"""What is fuzzed: a maker of inputs, and a reader that must take them, or refuse them with an `EvalkitError`."""

from __future__ import annotations

import json
import random
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

from scorecards import make_scorecard

from evalkit.board.gold_items import read_gold
from evalkit.board.gold_pairs import read_gold_pairs
from evalkit.challenges.model import load_challenge, parse_challenge, preset_ids, preset_text
from evalkit.challenges.submission_rules import ArchiveRules
from evalkit.errors import SubmissionError
from evalkit.ratings import load_mapping, read_key, read_pairs, read_ratings
from evalkit.scoring.scorecard import Scorecard
from evalkit.speed.document import read_report
from evalkit.speed.model import MOST_FRAMES, MOST_SECONDS, SampleSpeed
from evalkit.speed.table import read_speed_table
from evalkit.submission.model import Submission
from evalkit.testsets.loading import load_testset
from evalkit.validators.archive.check import blocks, check_archive
from evalkit.validators.archive.strays import VIDEO_SUFFIXES, is_stray
from fuzz import board_damage, board_scorecards, signatures, submitted_files
from fuzz.kinds import Target, WrongAcceptError
from fuzz.mutations import made_zip, mutated_text, mutated_zip
from fuzz.zip_readers import by_stream, by_unzip
from fuzz.zip_structure import structured_zip

RULES = ArchiveRules()
DIMENSIONS = load_challenge("mmasia2025-talking-head").ratings.dimensions
LONG = """rater_id,item_id,dimension,score,started_at,submitted_at
r01,item034,lip_sync,5,2026-03-01T12:51:55.038-12:00,2026-03-01T12:52:10.466-12:00
r02,item035,video_quality,3,2026-03-02T12:51:55Z,2026-03-02T12:52:10 AoE
"""
WIDE = """Timestamp,Your rater code,item001 [Lip synchronization],item001 [Video quality],item002 [Lip synchronization]
2026/03/02 02:26:34 AM GMT-12,r01,5,,3
"""
LABELS = [
    {
        "id": 1,
        "data": {"item": "item001"},
        "annotations": [
            {
                "completed_by": 1,
                "created_at": "2026-03-01T00:00:00Z",
                "lead_time": 3.2,
                "result": [{"from_name": "lip_sync", "type": "rating", "value": {"rating": 3}}],
            }
        ],
    }
]
SPEED = {
    "schema": 1,
    "kind": "measurement",
    "timed": "frames",
    "machine": {"processor": "A", "cores": 4, "memory_bytes": 2**35, "gpu": None},
    "workers": 1,
    "samples": [
        {"sample": "s1", "frames": 100, "clip_seconds": 4.0, "generation_seconds": 8.5, "time_to_first_frame": 0.5},
        {
            "sample": "s2",
            "frames": 50,
            "generation_seconds": 2,
            "end_to_end_seconds": 3.5,
            "peak_bytes": 10**9,
            "runs": 3,
        },
    ],
}
SPEED_TABLE = """team,sample,seconds,frames,hardware,who,clip_seconds,peak_bytes,timed
lumen,s1,4.5,100,EPYC 9654 16 cores,olga,4,1e9,call
lumen,s1,5,100,EPYC 9654 16 cores,olga,4,,call
atlas,s1,2,100,H200,olga,,,frames
"""
MAPPING = """format: wide
rater: Your code
at: Timestamp
zone: Europe/Berlin
dimensions: {Lip sync: lip_sync}
values: {Good: 4}
"""
SAMPLES = """{"id": "s01", "reference_images": ["a.png"], "audio": "a.wav", "text": "words", "groups": {"age": "old"}}
{"id": "s02", "timeline": [{"start": 0, "end": 1.5, "description": "nods"}]}
"""


def text_target(name: str, seeds: Sequence[str], read: Callable[[Path], object], file: str = "input.dat") -> Target:
    """Return a target whose inputs are changed from ``seeds``."""
    return Target(name, lambda random: mutated_text(random.choice(seeds), random), read, file)


def read_speed_json(path: Path) -> None:
    """Read a report of speed; what is taken is possible."""
    _check_speeds(read_report(path.read_bytes()).samples.values())


def read_speed_csv(path: Path) -> None:
    """Read a table of speed; what is taken is possible."""
    for one in read_speed_table(path.read_bytes(), "speed.csv"):
        if not (one.team and one.who and one.report.hardware):
            raise WrongAcceptError("a measurement of nobody")
        _check_speeds(one.report.samples.values())


def _check_speeds(found: Iterable[SampleSpeed]) -> None:
    for one in found:
        if not 0 < one.seconds <= MOST_SECONDS or (one.frames is not None and not 0 < one.frames <= MOST_FRAMES):
            raise WrongAcceptError(f"{one.frames} frames in {one.seconds} s")


def read_archive(path: Path) -> None:
    """Open an archive, and unpack it when no rule blocks it; hold what comes out against what was promised.

    It is also held against what other programs read: ``zipfile`` always, and where no rule says anything, ``unzip`` and
    a reader from the start.
    """
    submission = Submission.open(path, RULES)
    findings = check_archive(submission, RULES, {})
    if blocks(findings):
        raise SubmissionError("The archive is blocked.")
    copied: dict[int, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, member in enumerate(submission.members):
            parts = PurePosixPath(member.path).parts
            unclear = ("\\" in member.path or "\0" in member.path) and not is_stray(member, VIDEO_SUFFIXES)
            if (member.path.startswith("/") and parts != ("/",)) or ".." in parts or unclear:
                raise WrongAcceptError(f"the name {member.path!r} was taken")
            if member.is_directory:
                continue
            place = Path(folder) / str(number)
            try:
                submission.copy(member.path, place, RULES.max_file_bytes)
            except SubmissionError:
                if place.exists():
                    raise WrongAcceptError("half a file was left behind") from None
                continue
            if place.stat().st_size != member.size:
                raise WrongAcceptError(f"{place.stat().st_size} bytes came out, {member.size} were declared")
            copied[member.header_offset or 0] = place.read_bytes()
        if len(list(Path(folder).iterdir())) != len(copied):
            raise WrongAcceptError("something else was written")
    _compare_readers(path, submission, copied, silent=not findings)


def _compare_readers(path: Path, submission: Submission, copied: dict[int, bytes], *, silent: bool) -> None:
    """Hold what was copied, by its place in the archive, against other readers."""
    with zipfile.ZipFile(path) as archive:
        order = [info.header_offset for info in archive.infolist()]
        for info in archive.infolist():
            if info.header_offset in copied and archive.open(info).read() != copied[info.header_offset]:
                raise WrongAcceptError(f"zipfile reads {info.orig_filename!r} differently")
    files = [member for member in submission.members if not member.is_directory]
    # A folder that is said to be deflated into nothing holds nothing, and nothing of it is taken; others stumble there.
    hollow = any(member.is_directory and member.method and not member.compressed_size for member in submission.members)
    if not silent or hollow or len(copied) != len(files):
        return
    try:
        streamed, unzipped = by_stream(path), by_unzip(path)
    except (ValueError, zlib.error, struct.error) as error:
        raise WrongAcceptError(f"another reader refuses it: {error}") from None
    ours = {member.raw_name: copied.get(member.header_offset or 0, b"") for member in submission.members}
    if streamed is not None and dict(streamed) != ours:
        raise WrongAcceptError(f"a reader from the start sees {dict(streamed)!r:.200}")
    if unzipped is not None and unzipped != b"".join(copied.get(offset, b"") for offset in order):
        raise WrongAcceptError("unzip reads other bytes")


def make_zip(dice: random.Random) -> bytes:
    """Return an archive changed in its structure, in its bytes, or in both."""
    kind = dice.random()
    if kind < 0.5:
        return structured_zip(dice)
    return mutated_zip(structured_zip(dice) if kind < 0.65 else made_zip(dice), dice)


def read_challenge(path: Path) -> object:
    """Read a challenge's YAML."""
    return parse_challenge(path.read_text(encoding="utf-8", errors="replace"), "challenge.yaml")


def read_rating_file(path: Path) -> object:
    """Read ratings, and judge whether what was read can be a rating at all."""
    for rating in read_ratings(path, dimensions=DIMENSIONS):
        if not (rating.rater and rating.item) or abs(rating.value) == float("inf") or rating.value != rating.value:
            raise WrongAcceptError(f"{rating} was taken")
    return None


def read_pair_file(path: Path) -> object:
    """Read comparisons, and judge whether what was read can be one."""
    for pair in read_pairs(path):
        if len(set(pair.teams)) != 2 or pair.value not in {0, 0.5, 1}:
            raise WrongAcceptError(f"{pair} was taken")
    return None


def read_gold_file(path: Path) -> object:
    """Read items whose answers are known."""
    return read_gold(path, DIMENSIONS)


def read_gold_pairs_file(path: Path) -> object:
    """Read comparisons whose answers are known."""
    return read_gold_pairs(path, DIMENSIONS)


TARGETS = (
    Target(
        "board-scorecard", board_scorecards.make_scorecard, board_scorecards.add_scorecard, "scorecard.json", costs=10
    ),
    Target("board-damage", board_damage.make_damaged, board_damage.use_damaged, "board.sqlite", costs=10),
    Target("signature", signatures.make_signature, signatures.check, "scorecard.json.sig"),
    Target("public-key", signatures.make_key, signatures.load, "key.pub"),
    Target("arrays", submitted_files.make_arrays, submitted_files.read_array_file, "motion.npy"),
    Target("sound", submitted_files.make_sound, submitted_files.read_sound_file, "sound.wav"),
    Target("zip", make_zip, read_archive, "input.zip"),
    text_target(
        "ratings",
        [LONG, WIDE, json.dumps(LABELS), '{"rater": "r1", "item": "i", "dimension": "lip_sync", "value": 3}\n'],
        read_rating_file,
    ),
    text_target("speed-json", [json.dumps(SPEED)], read_speed_json, "speed.json"),
    text_target("speed-table", [SPEED_TABLE, SPEED_TABLE.replace(",", ";")], read_speed_csv, "speed.csv"),
    text_target(
        "pairs",
        ["rater_id,sample_id,left,right,winner,submitted_at\nr04,s06,alpha,beta,right,2026-03-04T11:52:10-12:00\n"],
        read_pair_file,
    ),
    text_target(
        "key",
        ["item_id,team,sample_id\nitem001,alpha,s20\n", '{"item001": {"team": "alpha", "sample": "s1"}}'],
        read_key,
    ),
    text_target("gold", ["item_id,dimension,low,high\nitem001,lip_sync,1,3\n"], read_gold_file),
    text_target("gold-pairs", ["sample,first,second,answer\ns1,(reference),lumen,first\n"], read_gold_pairs_file),
    text_target(
        "mapping",
        [MAPPING],
        load_mapping,
        "input.yaml",
    ),
    text_target("challenge", [preset_text(name) for name in preset_ids()], read_challenge, "input.yaml"),
    text_target("scorecard", [make_scorecard(4, 1).to_json()], Scorecard.load, "scorecard.json"),
    text_target("testset", [SAMPLES], lambda path: load_testset(path.parent), "samples.jsonl"),
)
