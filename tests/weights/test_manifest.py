"""Sets of backbones: the published one, and the faults of a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from builders.weight_entries import ABC, EMPTY, TEXT, backbones, entry, manifest
from pydantic import ValidationError

from evalkit.errors import InputError, UsageError
from evalkit.weights import manifest as manifest_module
from evalkit.weights.manifest import Backbones, WeightEntry, builtin_names, load_backbones
from evalkit.weights.store import (
    find_weights,
)


def refused(folder: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        load_backbones(manifest(folder, text))
    return str(caught.value)


# The published set


def test_published_is_built_in_and_loads_by_name() -> None:
    assert "published" in builtin_names()
    for name in builtin_names():
        assert load_backbones(name).name == name


# docs/definitions/weights.md, digests computed or published: file, bytes, SHA-256.
PUBLISHED = {
    "det_10g.onnx": (16_923_827, "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91"),
    "w600k_r50.onnx": (174_383_860, "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43"),
    "allmodel": (353_497, "8b04d6045f1b27261610c8ab1730fdcc14ec80bfab0f1ab5f703bbc2927314de"),
    "allrange": (741, "e47d753d96b631e1aa2dbac8c4e51ade767f2def8ce678c7130b6b3f90ee915f"),
}


def test_published_pins_the_digests_that_are_known() -> None:
    entries = {entry.file: entry for entry in load_backbones("published").roles.values()}
    assert PUBLISHED.keys() <= entries.keys()
    for file, (size, digest) in PUBLISHED.items():
        assert (entries[file].bytes, entries[file].sha256) == (size, digest), file


def test_published_says_what_every_file_costs_and_where_it_is() -> None:
    loaded = load_backbones("published")
    written = yaml.safe_load((Path(manifest_module.__file__).parent / "published.yaml").read_text())["roles"]
    for role, found in loaded.roles.items():
        assert found.licence, role
        assert found.citation, role
        assert "digest" in written[role], role
        urls = (*found.urls, *(loaded.archives[found.archive].urls if found.archive else ()))
        assert urls, role
        assert all(url.startswith("https://") for url in urls), role
    # docs/definitions/weights.md#licences: insightface's and LIVE's are for research only.
    assert all(found.noncommercial for found in loaded.roles.values() if "insightface" in found.licence)
    assert all(found.noncommercial for found in loaded.roles.values() if "LIVE" in found.licence)


def test_the_table_of_weights_says_what_the_manifest_says() -> None:
    page = Path(__file__).parents[2] / "docs" / "definitions" / "weights.md"
    table = page.read_text(encoding="utf-8")
    rows = {cells[1].strip("` "): cells for line in table.splitlines() if len(cells := line.split("|")) == 8}
    loaded = load_backbones("published")
    assert rows.keys() - {"role", "---"} == loaded.roles.keys()
    for role, found in loaded.roles.items():
        digest = found.sha256 or (f"{found.sha256_prefix}..." if found.sha256_prefix else "not known")
        size = f"{found.bytes:,}" if found.bytes else "not known"
        assert [cell.strip() for cell in rows[role][2:6]] == [found.file, size, digest, found.digest]
    archive = loaded.archives["buffalo_l.zip"]
    assert archive.sha256 in table
    assert f"{archive.bytes:,}" in table


@pytest.mark.shared
def test_the_small_real_networks_are_the_pinned_ones(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(shared / "weights"))
    loaded = load_backbones(Path(__file__).parents[1] / "backbones.yaml")
    for role, found in loaded.roles.items():
        path = find_weights(loaded, role).path
        assert path.stat().st_size == found.bytes


# Manifests


def test_a_manifest(tmp_path: Path) -> None:
    text = yaml.safe_dump({"name": "mine", "title": "Mine", "roles": {"face": entry(options={"size": [320, 0.50]})}})
    loaded = load_backbones(manifest(tmp_path, text))
    assert loaded.roles["face"].options == {"size": [320, 0.5]}
    assert (loaded.roles["face"].bytes, loaded.roles["face"].urls, loaded.roles["face"].noncommercial) == (
        None,
        (),
        False,
    )
    assert load_backbones(str(tmp_path / "mine.yaml")) == loaded


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("title: Mine", "tittle: Mine", "line 2: unknown key 'tittle'. Did you mean 'title'?"),
        ("    licence: MIT", "    license: MIT", "line 7: unknown key 'roles.face.license'. Did you mean 'licence'?"),
        ("    licence: MIT", "", "line 4: the key 'roles.face.licence' is missing."),
        (ABC, ABC[:-1], "line 6: 'roles.face.sha256': must be of the form"),
        (ABC, ABC.upper(), "line 6: 'roles.face.sha256': must be of the form"),
        ("net.onnx", "../net.onnx", "line 5: 'roles.face.file': must be of the form"),
        ("net.onnx", "a/net.onnx", "line 5: 'roles.face.file': must be of the form"),
        ("net.onnx", ".net", "line 5: 'roles.face.file': must be of the form"),
        ("net.onnx", "/etc/passwd", "line 5: 'roles.face.file': must be of the form"),
        ("net.onnx", '"net.onnx\\n"', "line 5: 'roles.face.file': must be of the form"),
        ("name: mine", "name: My Set", "line 1: 'name': must be of the form"),
        ("MIT", "MIT\n    bytes: 0", "line 8: 'roles.face.bytes': must be at least 1"),
        ("MIT", "MIT\n    file: other", "line 8: the key 'file' appears twice"),
        ("MIT", "MIT\n    urls: https://x", "line 8: 'roles.face.urls': must be a list"),
        ("MIT", "MIT\n    urls: [file:///etc/passwd]", "line 8: 'roles.face.urls.0': must be of the form"),
        ("MIT", "MIT\n    urls: [ftp://x/y]", "line 8: 'roles.face.urls.0': must be of the form"),
        ("MIT", "MIT\n    digest: guessed", "line 8: 'roles.face.digest': must be"),
        ("MIT", "MIT\n    digest: none", "line 4: 'roles.face': the digest class 'none' goes with neither"),
        (
            "MIT",
            "MIT\n    digest: prefix",
            "line 4: 'roles.face': the digest class 'prefix' goes with 'sha256_prefix' and no 'sha256'",
        ),
        (
            "MIT",
            "MIT\n    sha256_prefix: '01234567'",
            "line 4: 'roles.face': the digest class 'computed' goes with 'sha256' and no",
        ),
        (
            "MIT",
            "MIT\n    archive: pack.zip",
            "line 1: 'face' comes out of 'pack.zip', which is not among the archives",
        ),
        ("MIT", "MIT\n    options: &a {b: 1}", "line 8: YAML anchors and aliases are not allowed"),
        ("roles:\n", "roles: face\nx:\n", "line 3: 'roles': must be a set of keys with values. Found 'face'."),
    ],
)
def test_faults_of_a_manifest_are_named_with_their_line(tmp_path: Path, old: str, new: str, fault: str) -> None:
    assert TEXT.count(old) == 1
    message = refused(tmp_path, TEXT.replace(old, new))
    assert f"{tmp_path / 'mine.yaml'}, {fault}" in message


@pytest.mark.parametrize(
    ("changes", "known", "first_use"),
    [
        ({}, "computed", False),
        ({"digest": "published"}, "published", False),
        ({"digest": "single"}, "single", False),
        ({"sha256": None, "sha256_prefix": "ba7816bf"}, "prefix", True),
        ({"sha256": None}, "none", True),
        ({"sha256": None, "digest": "none"}, "none", True),
    ],
)
def test_how_a_digest_is_known(changes: dict[str, Any], known: str, first_use: bool) -> None:
    found = WeightEntry.model_validate(entry(**changes))
    assert (found.digest, found.first_use) == (known, first_use)


@pytest.mark.parametrize("known", [{"sha256_prefix": "ba78"}, {}], ids=["prefix", "none"])
def test_a_program_needs_a_whole_digest(known: dict[str, str]) -> None:
    made = {key: value for key, value in entry(options={"format": "torchscript"}).items() if key != "sha256"}
    with pytest.raises(ValidationError, match="TorchScript"):
        WeightEntry.model_validate(made | known)
    assert WeightEntry.model_validate(made | {"sha256": ABC}).options == {"format": "torchscript"}


def test_a_digest_of_digits_is_text(tmp_path: Path) -> None:
    digits = "12" * 32
    assert load_backbones(manifest(tmp_path, TEXT.replace(ABC, digits))).roles["face"].sha256 == digits


def test_one_file_has_one_digest(tmp_path: Path) -> None:
    text = yaml.safe_dump(
        {"name": "mine", "title": "Mine", "roles": {"a": entry(), "b": entry(), "c": entry(sha256=EMPTY)}}
    )
    assert "'roles': the file 'net.onnx' is pinned to two digests." in refused(tmp_path, text)
    text = yaml.safe_dump({"name": "mine", "title": "Mine", "roles": {"a": entry(), "b": dict(entry())}})
    assert len(load_backbones(manifest(tmp_path, text)).roles) == 2


def test_the_name_of_a_built_in_set_is_taken(tmp_path: Path) -> None:
    message = refused(tmp_path, TEXT.replace("name: mine", "name: published"))
    assert "mine.yaml calls itself 'published', which is a built-in set. Give it a name of its own." in message


def test_an_unknown_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no set of backbones 'publishd'\. Did you mean 'published'\?") as caught:
        load_backbones("publishd")
    assert caught.value.exit_code == 2
    with pytest.raises(UsageError, match=r"none\.yaml does not exist"):
        load_backbones(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="is a folder"):
        load_backbones(tmp_path)
    for name in ("a" * 5000, "a\0b"):
        with pytest.raises(UsageError, match="There is no set of backbones"):
            load_backbones(name)


def test_the_digest_of_a_set_is_of_what_decides_the_numbers() -> None:
    one = backbones().sha256
    assert backbones(licence="other", urls=("https://x",), bytes=5, file="renamed.onnx").sha256 == one
    assert backbones(sha256=EMPTY).sha256 != one
    assert backbones(options={"size": 320}).sha256 != one
    two = {"a": WeightEntry(**entry()), "b": WeightEntry(**entry(options={"x": 1, "y": 2}))}
    forward = Backbones(name="x", title="x", roles=two)
    backward = Backbones(name="y", title="y", roles=dict(reversed(two.items())))
    assert forward.sha256 == backward.sha256
