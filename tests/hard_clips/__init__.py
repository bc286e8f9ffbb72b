"""One hard MP4 of each kind: what is legal and unusual, what programs read differently, and what lies.

``HARD`` names them all; `make` writes one. The clips are 2 s of 96x64 at 25 frames/s with a tone, made by ffmpeg, and
changed box by box where ffmpeg makes no such file.
"""

# In this order, which is that of HARD: each module registers its clips.
from hard_clips import times_and_streams, frames, lies, other_files  # isort: skip
from hard_clips.making import HARD, encoded, make, plain
from hard_clips.other_files import external

__all__ = ["HARD", "encoded", "external", "frames", "lies", "make", "other_files", "plain", "times_and_streams"]
