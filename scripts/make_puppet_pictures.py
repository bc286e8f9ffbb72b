"""Write docs/puppets.jpg (24 people) and docs/puppet-clip.jpg (every tenth frame of a clip)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from evalkit.reference_models.puppet.scene import draw_scene

DOCS = Path(__file__).parents[1] / "docs"


def main() -> None:
    """Write both."""
    people = [next(draw_scene(7, number).frames()) for number in range(1, 25)]
    rows = [np.hstack(people[start : start + 8]) for start in range(0, 24, 8)]
    clip = list(draw_scene(7, 5, actions=2).frames())[::10]
    for name, picture in (("puppets", np.vstack(rows)), ("puppet-clip", np.hstack(clip))):
        image = Image.fromarray(picture)
        image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS).save(
            DOCS / f"{name}.jpg", quality=85
        )


if __name__ == "__main__":
    main()
