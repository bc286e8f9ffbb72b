"""Nothing that others made is decoded in evalkit's own process: who may call a decoder, by name and with the reason."""

from __future__ import annotations

import ast
from pathlib import Path

import evalkit

ROOT = Path(evalkit.__file__).resolve().parent
DECODERS = {
    "inspect_media", "scan_times", "iter_frames", "read_audio", "audio_seconds", "read_mix", "dynamic_range",
    "read_still", "describe_still", "read_images", "imdecode", "imread", "VideoCapture",
    "inspect_sound", "scan_arrays", "read_arrays", "read_shapes",
}  # fmt: skip
OPENERS = {("av", "open"), ("Image", "open")}

# Modules whose functions run in workers only: handlers, the extractors that they build, and what these call.
IN_WORKERS = {
    "crosscheck/measuring.py": "`handler` runs in a confined worker",
    "scoring/extract.py": "the handler of a run",
    "scoring/kinds/video.py": "called by the handler of a run",
    "scoring/kinds/sound.py": "called by the handler of a run",
    "scoring/kinds/motion.py": "called by the handler of a run; of the test set's own motion only the headers are read",
    "studio/preparing.py": "`handler` runs in a confined worker",
    "scoring/pairing.py": "called by the handler of a run",
    "metrics/": "sessions of extractors; metrics themselves are arithmetic",
    "media/": "the readers themselves",
}
# The organizer's own files, which are trusted (SECURITY.md), and files that evalkit wrote itself.
OWN_FILES = {
    "scoring/kinds/lengths.py": "length and size of the test set's speech and reference videos",
    "scoring/gaming.py": "reference images of the test set",
    "testset_check.py": "the organizer's own test set",
    "folders/setups_making.py": "the speech of the organizer's own test set",
    "folders/testset_making.py": "the organizer's own videos, of which a test set is made",
    "leaks/wanted.py": "reference images and speech of the test set",
    "cli/board/media.py": "reference images of the test set",
    "reference_models/": "generators and controls read the test set and what they wrote",
    "scorer/": "images, speech and reference videos of the test set, for a generator in the same process",
    "hosting/logo.py": "the organizer's own logo",
    "arrays/extract.py": "frames in memory: nothing is decoded",
    "reports/filmstrips.py": "the header of a JPEG, which Pillow reads in Python; it is never decoded",
}


def calls() -> dict[str, set[str]]:
    """Return module -> the decoders that it calls."""
    found: dict[str, set[str]] = {}
    rooms = [ROOT, *(ROOT / name for name in ("metrics", "validators", "reports", "reference_models"))]
    for room in rooms:
        for path in sorted(room.resolve().rglob("*.py")):
            base = ROOT if path.is_relative_to(ROOT) else ROOT.parent
            names = {name for name in _called(ast.parse(path.read_text(encoding="utf-8"))) if name}
            if names:
                found.setdefault(path.relative_to(base).as_posix(), set()).update(names)
    return found


def _called(tree: ast.Module) -> list[str | None]:
    return [_decoder(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def _decoder(function: ast.expr) -> str | None:
    if isinstance(function, ast.Name):
        return function.id if function.id in DECODERS else None
    if isinstance(function, ast.Attribute):
        owner = function.value.id if isinstance(function.value, ast.Name) else ""
        if (owner, function.attr) in OPENERS or function.attr in DECODERS:
            return function.attr
    return None


def test_only_workers_decode_what_is_not_the_organizers_own() -> None:
    allowed = (*IN_WORKERS, *OWN_FILES)
    found = calls()
    assert len(found) > 15  # it does find them
    assert {module: names for module, names in found.items() if not module.startswith(allowed)} == {}


def test_no_reason_is_left_over() -> None:
    found = calls()
    assert [entry for entry in (*IN_WORKERS, *OWN_FILES) if not any(module.startswith(entry) for module in found)] == []
