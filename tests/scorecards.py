"""Scorecards made in code: realistic in shape, deterministic by seed, hostile in every string when asked for."""

from __future__ import annotations

import hashlib
import io

import numpy as np
from PIL import Image

from evalkit.scoring.scorecard import Scorecard

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "gpm\u202eexe.mp4",
    "\x1b[31mred\x07",
    "=HYPERLINK(1)",
    "@SUM(A1)",
    "{{ 7 * 7 }}{% raw %}",
    "</title></style></table><!--",
    "&lt;b&gt; &amp;",
    "line\nfeed \u200bzero",
)

# id, title, unit, higher is better, range, role, mean, spread, asked of single videos
METRICS = (
    ("fid.pytorch", "FID", "", False, (0, None), "ranked", 24.8, 1.4, False),
    ("fvd.styleganv", "FVD", "", False, (0, None), "ranked", 214.0, 18.0, False),
    ("sync.joonson.lse_c", "LSE-C", "", True, (0, None), "ranked", 6.4, 1.3, True),
    ("sync.joonson.lse_d", "LSE-D", "", False, (0, None), "ranked", 7.9, 0.9, True),
    ("identity.strict", "Identity (ArcFace)", "", True, (-1, 1), "ranked", 0.83, 0.08, True),
    ("clipscore.hessel", "CLIPScore", "", True, (0, 2.5), "ranked", 0.71, 0.04, True),
    ("landmark.f_lmd", "F-LMD", "px", False, (0, None), "secondary", 2.9, 0.6, True),
    ("psnr.rgb", "PSNR", "dB", True, (0, None), "secondary", 27.4, 2.1, True),
    ("sync.offset", "Audio offset", "ms", None, (None, None), "diagnostic", 6.0, 35.0, True),
    ("blink.rate", "Blink rate", "1/min", None, (0, None), "diagnostic", 17.0, 6.0, True),
)


def make_scorecard(n_videos: int, seed: int, hostile: bool = False, n_metrics: int = len(METRICS)) -> Scorecard:
    """Return a scorecard: of each ten videos one is invalid, one missing, one with a warning, one without a face."""
    rng = np.random.default_rng(seed)
    odd = iter(range(10**9))

    def name(plain: str) -> str:
        return f"{HOSTILE[next(odd) % len(HOSTILE)]} {plain}" if hostile else plain

    recipes = []
    for at in range(n_metrics):
        turn, (ident, title, *rest) = at // len(METRICS), METRICS[at % len(METRICS)]
        recipes.append((f"{ident}{turn or ''}", f"{title} {turn or ''}".strip(), *rest))
    single = [recipe for recipe in recipes if recipe[8]]
    videos = []
    for at in range(n_videos):
        verdict = {4: "error", 9: "missing", 2: "warning"}.get(at % 10, "ok")
        lost = {"error": "not_decodable", "missing": "missing_video"}.get(verdict)
        values = {recipe[0]: None if lost else float(rng.normal(recipe[6], recipe[7])) for recipe in single}
        reasons = dict.fromkeys(values, name(lost)) if lost else {}
        events = []
        if at % 10 == 6 and single:
            values[single[0][0]] = None
            reasons[single[0][0]] = name("no_face")
            events.append({"kind": name("no_face"), "detail": name("0 of 125 frames hold a face")})
        findings = []
        if verdict in {"error", "warning"}:
            findings.append(
                {
                    "rule": name("media.codec" if verdict == "error" else "media.frame_rate"),
                    "severity": verdict,
                    "message": name("The video is not H.264." if verdict == "error" else "The frame rate varies."),
                    "found": name("hevc" if verdict == "error" else "22 to 31 fps"),
                    "expected": "h264" if verdict == "error" else "a constant rate",
                    "fix": name("ffmpeg -i in.mp4 -c:v libx264 -pix_fmt yuv420p out.mp4"),
                }
            )
        videos.append(
            {
                "sample": name(f"s{at + 1:02d}"),
                "path": None if verdict == "missing" else name(f"s{at + 1:02d}.mp4"),
                "verdict": verdict,
                "values": values,
                "reasons": reasons,
                "events": events,
                "findings": findings,
                "groups": {name("subset"): name(("studio", "street", "phone")[at % 3])}
                if not hostile or at % 2
                else {},
            }
        )
    metrics = {}
    for ident, title, unit, higher, bounds, role, mean, spread, per_video in recipes:
        known = [video["values"][ident] for video in videos if per_video and video["values"][ident] is not None]
        n = len(known) if per_video else sum(video["verdict"] in {"ok", "warning"} for video in videos)
        value = (float(np.mean(known)) if per_video else mean) if n else None
        half = 1.96 * spread / max(n, 1) ** 0.5
        metrics[name(ident) if hostile and not per_video else ident] = {
            "value": value,
            "ci95": (value - half, value + half) if value is not None and n > 1 else None,
            "unit": name(unit) if hostile else unit,
            "higher_is_better": higher,
            "n": n,
            "coverage": n / n_videos if n_videos else 0.0,
            "reason": None if n else "no_video_scored",
            "protocol": 1,
            "title": name(title),
            "range": bounds,
            "role": role,
            "details": {} if per_video else {name("n_reference"): 12345.0, "expected_bias": 0.25},
            "notes": [] if per_video else [{"kind": "small_sample", "detail": name("12 frames of 2,048 numbers")}],
        }
    metrics["ssim.gray"] = {
        "value": None,
        "higher_is_better": True,
        "n": 0,
        "coverage": 0.0,
        "reason": name("no_reference_video"),
        "protocol": 2,
        "title": "SSIM",
        "range": (-1, 1),
        "role": "secondary",
    }
    return Scorecard.model_validate(
        {
            "schema": 1,
            "submission": {"name": name("team-lumen.zip"), "sha256": "9f2c" * 16, "layout": name("{id}.mp4")},
            "challenge": {
                "id": name("mmasia2025-talking-head"),
                "sha256": "01ab" * 16,
                "title": name("MM Asia 2025: talking head"),
            },
            "backbones": name("bundled"),
            "metrics": metrics,
            "videos": videos,
            "findings": [
                {
                    "rule": name("set.missing"),
                    "severity": name("error") if hostile else "error",
                    "message": name("Samples of the test set have no video."),
                    "found": "18 files",
                    "expected": "20 files",
                }
            ],
            "features": {
                name("inception"): {
                    "version": 1,
                    "weights": ["ab" * 32],
                    "options": {"size": 299, name("resize"): "tf1"},
                },
                "syncnet": {"version": 2, "weights": ["cd" * 32, "ef" * 32], "options": {}},
            },
            "provenance": {"evalkit": "0.1.0", "python": "3.11", "torch": name("2.13.0"), "device": {"kind": "cpu"}},
            "timing": {
                "wall_s": 184.2219,
                "stages": {"extract_s": 171.5, "metrics_s": 3.25},
                name("host"): name("box"),
            },
        }
    )


def jpeg(shade: int, width: int = 72, height: int = 72) -> bytes:
    """Return a small one-coloured JPEG, another one for each shade."""
    held = io.BytesIO()
    Image.new("RGB", (width, height), (shade % 256, shade // 256 % 256, 96)).save(
        held, "JPEG", quality=70, comment=str(shade)
    )
    return held.getvalue()


def strips_for(card: Scorecard, frames: int = 4) -> dict[str, list[bytes]]:
    """Return a filmstrip for every sample, each frame of its own colour."""
    return {video.sample: [jpeg(at * frames + step) for step in range(frames)] for at, video in enumerate(card.videos)}


def small_card(
    name: str,
    values: dict[str, list[float | None]],
    *,
    better: dict[str, bool | None] | None = None,
    groups: list[dict[str, str]] | None = None,
    whole: dict[str, float | None] | None = None,
    protocol: int = 1,
    **changes: object,
) -> Scorecard:
    """Return a scorecard with these values per sample ``s1``, ``s2``, ...; a missing one has the reason ``no_face``.

    Args:
        name: of the submission.
        values: metric -> a value per sample.
        better: metric -> whether higher is better; true where it isn't said.
        groups: of each sample.
        whole: numbers of the whole set, lower is better.
        protocol: of every metric.
        changes: other fields of the scorecard.
    """
    count = len(next(iter(values.values())))
    metrics = {}
    for metric, column in values.items():
        known = [value for value in column if value is not None]
        metrics[metric] = {
            "value": sum(known) / len(known) if known else None,
            "ci95": (min(known), max(known)) if len(known) > 1 else None,
            "higher_is_better": (better or {}).get(metric, True),
            "n": len(known),
            "coverage": len(known) / count,
            "reason": None if known else "no_face",
            "protocol": protocol,
            "title": metric.upper(),
        }
    for metric, value in (whole or {}).items():
        share = {"n": count, "coverage": 1.0} if value is not None else {"n": 0, "coverage": 0.0, "reason": "too_few"}
        metrics[metric] = {"value": value, "higher_is_better": False, "protocol": protocol, "title": metric.upper()}
        metrics[metric] |= share
    videos = [
        {
            "sample": f"s{at + 1}",
            "path": f"s{at + 1}.mp4",
            "values": {metric: column[at] for metric, column in values.items()},
            "reasons": {metric: "no_face" for metric, column in values.items() if column[at] is None},
            "groups": groups[at] if groups else {},
        }
        for at in range(count)
    ]
    document = {
        "schema": 1,
        "submission": {"name": name, "sha256": hashlib.sha256(name.encode()).hexdigest()},
        "challenge": {"id": "c", "sha256": "01" * 32, "title": "The challenge"},
        "backbones": "published",
        "metrics": metrics,
        "videos": videos,
        "provenance": {"testset": {"sha256": "ab" * 32}, "backbones": {"sha256": "cd" * 32}},
    }
    return Scorecard.model_validate({**document, **changes})
