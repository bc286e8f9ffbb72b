"""``evalkit doctor``: what works on this machine and what is missing."""

from __future__ import annotations

import json
from typing import Any

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import backbones_option, example


@click.command(epilog=example("evalkit doctor --backbones published"))
@backbones_option
@json_option
def doctor(backbones: str, as_json: bool) -> None:
    """Check this machine: libraries, codecs, plugins, cache and weights.

    Exit code 0 when everything is there, 4 when something is missing.
    """
    checks = [*_libraries(), *_codecs(), *_plugins(), *_sandbox(), _cache(), *_weights(backbones)]
    ok = all(check["ok"] for check in checks)
    if as_json:
        click.echo(json.dumps({"schema": 1, "ok": ok, "checks": checks}, indent=1))
    else:
        for check in checks:
            click.echo(f"{'ok  ' if check['ok'] else 'MISS'}  {check['name']}: {check['detail']}")
    if not ok:
        raise click.exceptions.Exit(4)


def _check(name: str, ok: bool, detail: str) -> dict[str, Any]:
    return {"name": name, "ok": ok, "detail": detail}


def _libraries() -> list[dict[str, Any]]:
    from importlib import import_module
    from importlib.metadata import PackageNotFoundError, version
    from importlib.util import find_spec

    checks = []
    for module in ("av", "numpy", "scipy", "pandas", "cv2", "onnxruntime", "PIL", "pyarrow", "pydantic", "requests"):
        try:
            found = getattr(import_module(module), "__version__", "?")
            checks.append(_check(f"library {module}", True, str(found)))
        except ImportError as error:
            checks.append(_check(f"library {module}", False, str(error)))
    for module in ("torch", "safetensors"):  # importing PyTorch takes seconds, so this only checks that it is installed
        try:
            checks.append(_check(f"library {module}", find_spec(module) is not None, version(module)))
        except PackageNotFoundError as error:
            checks.append(_check(f"library {module}", False, str(error)))
    return checks


def _codecs() -> list[dict[str, Any]]:
    import av

    wanted = (("h264", "r"), ("libx264", "w"), ("aac", "r"), ("aac", "w"))
    checks = []
    for codec, mode in wanted:
        name = f"codec {codec} ({'decode' if mode == 'r' else 'encode'})"
        try:
            av.codec.Codec(codec, mode)  # type: ignore[arg-type]
            checks.append(_check(name, True, f"FFmpeg {av.ffmpeg_version_info}"))
        except (ValueError, av.error.FFmpegError) as error:
            checks.append(_check(name, False, str(error)))
    return checks


def _plugins() -> list[dict[str, Any]]:
    from evalkit.errors import PluginError
    from evalkit.metrics.base import metric_registry
    from evalkit.metrics.features.base import feature_registry
    from evalkit.validators.registry import rule_registry

    checks = []
    for kind, registry in (("metrics", metric_registry), ("features", feature_registry), ("rules", rule_registry)):
        try:
            checks.append(_check(f"plugins: {kind}", True, f"{len(registry())} registered"))
        except PluginError as error:
            checks.append(_check(f"plugins: {kind}", False, str(error)))
    return checks


def _sandbox() -> list[dict[str, Any]]:
    """Start a confined worker that tries each limit; a lower level that the user chose is not an error."""
    from evalkit.errors import EvalkitError
    from evalkit.workers import landlock
    from evalkit.workers.pool import Workers
    from evalkit.workers.sandbox import PARENT, Limits, default_level

    try:
        level = default_level()
        (result,) = Workers("evalkit.workers.sandbox:probe", None, 1, 60.0, Limits(level, job_cpu_seconds=60.0)).run(
            [None]
        )
    except EvalkitError as error:
        return [_check("sandbox", False, str(error))]
    if result.value is None:
        return [_check("sandbox", False, f"the process that tries the limits failed: {result.detail}")]
    hidden = result.value.pop(PARENT)
    held = [part for part, holds in result.value.items() if holds]
    words = f"level {level}; active limits for processes that read videos: {', '.join(held) or 'nothing'}"
    lost = [part for part, holds in result.value.items() if not holds]
    if lost:
        words += f"; missing: {', '.join(lost)}"
    if not landlock.version() and "no writing elsewhere" in lost:
        words += " (this kernel has no Landlock: they write what you may)"
        lost.remove("no writing elsewhere")  # nothing that can be installed changes it
    if level == "full" and lost:
        words += " (Debian: apt install libseccomp2)" if {"no network", "no programs"} & set(lost) else ""
    if not hidden:  # always so for root, whatever the filter refuses
        words += "; they can open the memory of evalkit itself in /proc: score untrusted files as a separate user"
    return [_check("sandbox", level != "full" or not lost, words)]


def _cache() -> dict[str, Any]:
    import shutil

    from evalkit.errors import StorageError
    from evalkit.files import write_text
    from evalkit.scoring.shared_cache import open_place

    folder = open_place(None)
    probe = folder / ".doctor"
    try:
        write_text(probe, "ok")
        probe.unlink()
    except (StorageError, OSError) as error:
        return _check("cache", False, str(error))
    return _check("cache", True, f"{folder}, {shutil.disk_usage(folder).free / 1e9:.1f} GB free")


def _weights(backbones: str) -> list[dict[str, Any]]:
    from evalkit.errors import WeightsError
    from evalkit.weights.manifest import DIGEST_WORDS, load_backbones
    from evalkit.weights.store import file_state, folder_of, weights_folder, wrong_weights
    from evalkit.weights.trust import trusted_digest

    loaded = load_backbones(backbones)
    checks, absent = [], []
    for role, entry in sorted(loaded.roles.items()):
        name = f"weights {loaded.name}/{role}"
        try:
            found = file_state(entry, folder_of(loaded))
        except WeightsError as error:
            checks.append(_check(name, False, str(error)))
            continue
        if found.state == "there":
            known = "as pinned" if entry.sha256 else f"{DIGEST_WORDS[entry.digest]}"
            if entry.first_use and trusted_digest(weights_folder(), entry.file):
                known += ", as trusted on first use"
            checks.append(_check(name, True, f"{entry.file}, digest {known}"))
            continue
        absent.append(role)
        if found.state == "missing":
            size = f"{entry.bytes:,} bytes, " if entry.bytes else ""
            detail = f"{entry.file} is missing ({size}{entry.licence_text}); '{loaded.command('pull', role)}'"
        else:
            detail = str(wrong_weights(loaded, role, found)) if found.state == "wrong" else str(found.error)
        checks.append(_check(name, False, detail))
    if absent:
        pull, copy = loaded.command("pull", ""), loaded.command("import", "FOLDER")
        detail = (
            f"{len(absent)} of {len(loaded.roles)} missing; '{pull}' fetches them, '{copy}' copies them from a folder"
        )
        checks.append(_check(f"weights {loaded.name}", False, detail))
    return checks
