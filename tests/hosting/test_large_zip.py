"""A submission of two gigabytes: memory must not grow with it."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

from builders.hosting import INSTALLED, choices

from evalkit.hosting.docker import write_docker

SIZE = 2_000_000_000
BLOCK = bytes(1 << 22)
MORE = 150_000  # KiB: what the memory of two equal runs may differ by, a thirteenth of the file
PEAK = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
print(json.dumps([done.returncode, done.stdout, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))
"""


def padded(source: Path, target: Path) -> Path:
    """Write the ZIP with its first video made large by a box that players skip."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w") as other:
        names = sorted(archive.namelist())
        for name in names:
            info = zipfile.ZipInfo(name)
            data = archive.read(name)
            left = SIZE if name == names[0] else 0
            info.file_size = len(data) + left
            with other.open(info, "w") as member:
                member.write(data)
                if left:
                    member.write(struct.pack(">I4s", left, b"free"))
                    left -= 8
                while left:
                    left -= member.write(BLOCK[:left])
    return target


def scored(program: Path, submission: Path, testset: Path, out: Path) -> tuple[int, str, int]:
    """Return exit code, output and the largest memory of a process, in KiB."""
    out.mkdir()
    command = [sys.executable, "-m", "evalkit.hosting.container", *map(str, (program, submission, testset, out))]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *command],
        env={**INSTALLED, "TMPDIR": str(out)}, stdout=subprocess.PIPE, text=True, check=True, cwd=out,
    )  # fmt: skip
    code, printed, peak = json.loads(done.stdout)
    return code, printed, peak


def test_memory_does_not_grow_with_the_zip(world, tmp_path: Path) -> None:
    write_docker(choices(tmp_path), tmp_path / "scorer")
    program = tmp_path / "scorer" / "program"
    code, printed, small = scored(program, world.zip, world.testset, tmp_path / "small")
    assert code == 0, printed
    large = padded(world.zip, tmp_path / "large.zip")
    assert large.stat().st_size > SIZE
    try:
        code, printed, peak = scored(program, large, world.testset, tmp_path / "large")
    finally:
        large.unlink()
    assert code == 0, printed
    assert peak < small + MORE
    values = [json.loads((tmp_path / name / "scores.json").read_text()) for name in ("small", "large")]
    assert values[0] == values[1]
