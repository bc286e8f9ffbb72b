"""The manifest of trained networks: which file has which role.

python -m training.publish FOLDER            # print the manifest of that folder
python -m training.publish FOLDER --install  # make them the bundled networks of this checkout
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from evalkit.files import atomic_write, write_text
from evalkit.weights.store import file_sha256

# role -> network, options besides the format
ROLES: dict[str, tuple[str, dict[str, float | str]]] = {
    "face_detector": ("detector", {"threshold": 0.5}),
    "sync_detector": ("detector", {}),
    "arcface": ("faces", {}),
    "curricularface": ("faces", {}),
    "inception": ("frames", {}),
    "inception_clean": ("frames", {}),
    "inception_torchvision": ("frames", {}),
    "i3d": ("clips", {}),
    "i3d_state": ("clips", {}),
    "syncnet": ("sync", {}),
    "clip_vit_b32": ("text", {}),
    "clip_vit_l14": ("text", {}),
    "clip_vocabulary": ("text", {}),
    "dino_vitb16": ("frames", {}),
    "clip_vit_l14_336": ("actions", {"network": "actions"}),
    "landmarks68": ("landmarks", {}),
    "landmarks68_detector": ("detector", {"threshold": 0.5}),
}
# role -> file of the models that are no networks (training.quality)
QUALITY_ROLES: dict[str, str] = {
    "brisque_model": "brisque-model.txt",
    "brisque_range": "brisque-range.txt",
    "niqe_model": "niqe-model.mat",
}
_LICENCE = "Apache-2.0, as evalkit"
_CITATION = "evalkit, reference_models/bundled/MODEL_CARD.md"


def manifest(folder: Path, name: str = "bundled", *, packaged: bool = False) -> str:
    """Return the YAML of the networks in ``folder``.

    Raises:
        OSError: a file is missing.
    """
    lines = [
        "# Small networks that evalkit trains on rendered puppets (make train-bundled). training/publish.py writes",
        "# this file. Their numbers can't be compared with published ones.",
        f"name: {name}",
        "title: evalkit's own small networks, trained on puppets; not comparable with published numbers",
        *(["packaged: true"] if packaged else []),
        "roles:",
    ]
    for role, (network, options) in ROLES.items():
        text = ", ".join(["format: bundled", *(f"{key}: {value}" for key, value in options.items())])
        lines += _entry(role, folder / f"{network}.safetensors", [f"    options: {{{text}}}"])
    for role, file in QUALITY_ROLES.items():
        lines += _entry(role, folder / file, [])
    return "\n".join(lines) + "\n"


def _entry(role: str, path: Path, options: list[str]) -> list[str]:
    return [
        f"  {role}:",
        f"    file: {path.name}",
        f"    sha256: {file_sha256(path)}",
        f"    bytes: {path.stat().st_size}",
        *options,
        f"    licence: {_LICENCE}",
        f"    citation: {_CITATION}",
    ]


def install(folder: Path) -> None:
    """Copy the networks and the record of their training into the checkout, and write the built-in manifest."""
    package = Path(str(resources.files("evalkit")))
    weights = package / "reference_models" / "bundled" / "weights"
    networks = sorted({f"{network}.safetensors" for network, _ in ROLES.values()})
    for name in (*networks, *QUALITY_ROLES.values(), "training.json"):
        with atomic_write(weights / name) as stream:
            stream.write((folder / name).read_bytes())
    write_text(package / "weights" / "bundled.yaml", manifest(weights, packaged=True))


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--name", default="retrained", show_default=True, help="Name of the set of backbones.")
@click.option("--install", "installed", is_flag=True, help="Make them the bundled networks of this checkout.")
def main(folder: Path, name: str, installed: bool) -> None:
    """Print the manifest of trained networks, or install them."""
    if installed:
        install(folder)
    else:
        click.echo(manifest(folder, name), nl=False)


if __name__ == "__main__":
    main()
