"""Run PySceneDetect's own rules on given numbers; only the oracle environment can.

    python scene_reference.py JOB.json RESULT.json

JOB: ``scores``, lists of one number per frame; ``sizes``, [width, height].
RESULT: ``cuts``, frames that ContentDetector reports for each list; ``sizes``, what SceneManager scales each to.
"""

import json
import sys
from pathlib import Path

from scenedetect import ContentDetector
from scenedetect.scene_manager import compute_downscale_factor


def cuts_of(scores: list[float]) -> list[int]:
    """`ContentDetector.process_frame` over the frames, with given scores in place of pictures."""
    detector = ContentDetector()
    detector._calculate_frame_score = lambda number, picture: picture
    found = [cut for number, score in enumerate(scores) for cut in detector.process_frame(number, score)]
    return sorted(set(found))


def scaled(width: int, height: int) -> list[int]:
    """The size that `SceneManager` makes of a frame; the rounding is that of its decoding thread."""
    factor = compute_downscale_factor(max(width, height))
    return [max(1, round(width / factor)), max(1, round(height / factor))] if factor > 1.0 else [width, height]


def main() -> None:
    """Read the job, write what it wants."""
    job = json.loads(Path(sys.argv[1]).read_text())
    result = {"cuts": [cuts_of(scores) for scores in job["scores"]], "sizes": [scaled(*size) for size in job["sizes"]]}
    Path(sys.argv[2]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
