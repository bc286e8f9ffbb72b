"""Memory while reading videos: frames are freed one by one, and a limit that is reached is no fault of the file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evalkit.media.encode import write_video

LIMITED = """
import resource, sys
from pathlib import Path
from evalkit.media.inspect import inspect_media
inspect_media(Path(sys.argv[1]))  # what is loaded once does not count
held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + int(sys.argv[3]), resource.getrlimit(resource.RLIMIT_AS)[1]))
try:
    facts = inspect_media(Path(sys.argv[2])).facts
except MemoryError:
    print("memory")
else:
    print(facts.video.frames if facts.video else facts.open_error)
"""

# Takes every frame and counts the decoded frames that are still in memory.
UNCOLLECTED = """
import gc, sys
from pathlib import Path
import av
import numpy as np
from evalkit.media.inspect import inspect_media

class Sink:
    taken = most = 0

    def plan(self, times):
        return np.ones(len(times), dtype=bool)

    def frame(self, index, time, rgb):
        self.taken += 1
        self.most = max(self.most, sum(type(found) is av.VideoFrame for found in gc.get_objects()))

gc.disable()
sink = Sink()
inspect_media(Path(sys.argv[1]), [sink])
print(sink.taken, sink.most)
"""


def video(path: Path, size: int, frames: int = 12) -> Path:
    noise = np.random.default_rng(1).integers(0, 255, (frames, size, size, 3), dtype=np.uint8)
    write_video(path, noise, 25, preset="ultrafast")
    return path


def test_frames_are_freed_without_the_garbage_collector(tmp_path):
    """In a process of its own: what other tests leave in memory does not count."""
    path = video(tmp_path / "a.mp4", 64, 40)
    done = subprocess.run([sys.executable, "-c", UNCOLLECTED, path], capture_output=True, text=True, check=True)
    taken, most = map(int, done.stdout.split())
    assert taken == 40
    assert 0 < most < 8


# Elsewhere a process can't read how much it holds, and macOS ignores the limit: evalkit has no such limit there either.
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit on memory is Linux's; CI runs there")
@pytest.mark.parametrize(("room", "found"), [(4 << 20, "memory"), (2 << 30, "12")])
def test_the_limit_on_memory_is_no_fault_of_the_file(tmp_path, room, found):
    small, large = video(tmp_path / "small.mp4", 64), video(tmp_path / "large.mp4", 1024)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, small, large, str(room)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == found
