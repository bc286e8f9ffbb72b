"""The FID of two folders of videos as a user of pytorch-fid computes it: frames to PNG files, then its own function.

python fid.py JOB.json RESULT.json
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytorch_fid.inception
import torch
from pytorch_fid.fid_score import calculate_fid_given_paths


def write_frames(videos: list[str], folder: Path) -> None:
    """Write every frame at 25 frames/s as a PNG file."""
    folder.mkdir()
    for number, video in enumerate(videos):
        files = str(folder / f"{number:03}_%05d.png")
        subprocess.run(["ffmpeg", "-v", "error", "-i", video, "-vf", "fps=25", files], check=True)


def main() -> None:
    """Read the job, run it, write the number."""
    job = json.loads(Path(sys.argv[1]).read_text())
    state = torch.load(job["weights"]["inception"], weights_only=True)
    pytorch_fid.inception.load_state_dict_from_url = lambda *args, **kwargs: state
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name, side) for side in ("real", "generated")]
        for folder in folders:
            write_frames([clip[folder.name] for clip in job["clips"]], folder)
        items = sum(len(list(folder.iterdir())) for folder in folders)
        value = calculate_fid_given_paths([str(folder) for folder in folders], 50, "cpu", 2048, num_workers=1)
    Path(sys.argv[2]).write_text(json.dumps({"values": {"fid.pytorch": float(value)}, "items": items}))


if __name__ == "__main__":
    main()
