"""What a cold run spends its processor time on: ``python -m benchmarks.cold_profile``.

The five families of `benchmarks.peers` from an empty cache, one worker, everything on one core; py-spy (``pip install
py-spy``, as root or with the right to trace) looks at all processes of the command 50 times a second. A sample counts
for the first kind below that its stack has a frame of. Samples of threads that wait are left out.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.peers.__main__ import FAMILIES
from benchmarks.peers.command import run
from benchmarks.peers.job import write_work

RATE = 50  # samples a second
WAITING = re.compile(r"_end_with_parent|(wait|acquire|get) \(threading.py|receive|_exactly|_relay|poll \(|select")
KINDS = {
    "forward passes": r"\(onnxruntime/|_call_impl|SyncNet\._run_|FrameRunner\._run|OpenVinoRunner\.__call__"
    r"|TorchRunner\._run|infer \(openvino",
    "loading and converting networks": r"_build \(evalkit/scoring/extract|open_network|OpenVinoRunner\.__init__",
    "imports": r"importlib\._bootstrap|importlib/__init__",
    "digests": r"sha256|hashlib|digest \(",
    "resizing and preparing frames": r"prepare|small \(|_letterbox|resize|middle_square|\bcut \(",
    "decoding": r"evalkit/media/|\(av/",
    "arithmetic of metrics": r"score_set|score_video|compute \(evalkit/metrics|frechet",
    "cache": r"evalkit/scoring/cache|savez",
}


def kind_of(stack: str) -> str | None:
    """Return what a sample was spent on; ``None`` for a thread that waits."""
    leaf = stack.rpartition(";")[2]
    if WAITING.search(leaf):
        return None
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, stack)), "other Python")


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=6)
    chosen = parser.parse_args()
    spy = shutil.which("py-spy")
    if spy is None:
        raise SystemExit("py-spy is not installed.")
    core = sorted(os.sched_getaffinity(0))[:1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work = write_work(folder, chosen.clips)
        metrics = ",".join(metric for family in FAMILIES for metric in family.metrics)
        command: list[str | Path] = [spy, "record", "--subprocesses", "--rate", str(RATE), "--format", "raw"]
        command += ["--output", folder / "stacks.txt", "--", sys.executable, "-m", "evalkit", "score", work.submission]
        command += ["--challenge", "talking-head", "--testset", work.testset, "--backbones", work.manifest]
        command += ["--workers", "1", "--metrics", metrics, "-o", folder / "out", "--quiet"]
        # py-spy may not trace what the sandbox confines.
        places = {"EVALKIT_WEIGHTS": str(work.manifest.parent), "EVALKIT_CACHE": str(folder / "cache")}
        spent = run(command, folder / "log", core, {**places, "EVALKIT_SANDBOX": "off"})
        counts: Counter[str] = Counter()
        for line in (folder / "stacks.txt").read_text().splitlines():
            stack, _, number = line.rpartition(" ")
            kind = kind_of(stack)
            if kind is not None:
                counts[kind] += int(number)
    total = sum(counts.values())
    print(f"{spent.cpu:.1f} CPU s, {spent.wall:.1f} s, py-spy included; {total / RATE:.1f} s sampled")
    for kind, number in counts.most_common():
        print(f"  {kind:36} {number / RATE:7.1f} s   {number / total:5.1%}")


if __name__ == "__main__":
    main()
