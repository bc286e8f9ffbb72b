"""Run sureal's models of opinion scores and the package krippendorff; needs the oracles.

    python opinion_reference.py JOB.npz RESULT.npz

JOB: "scores" (E, S), NaN for missing; "contents" (E,) content of each item, from 0; "codings" (K, raters, units), NaN
     for missing.
RESULT: for each model NAME of MODELS: NAME_score, NAME_error (E,); NAME_bias, NAME_inconsistency, NAME_rejected,
        NAME_share, NAME_imbalance where it has them. "alpha" (K, 4): nominal, ordinal, interval, ratio.
"""

import contextlib
import io
import sys
import warnings
from types import SimpleNamespace

import krippendorff
import numpy as np
from sureal import subjective_model as models
from sureal.dataset_reader import RawDatasetReader

warnings.simplefilter("ignore")

MODELS = {
    "mos": models.MosModel,
    "bt500": models.SubjrejMosModel,
    "zscore": models.ZscoringMosModel,
    "unbiased": models.BiasremvMosModel,
    "p913": models.BiasremvSubjrejMosModel,
    "projected": models.SubjectMLEModelProjectionSolver2,
}
FIELDS = {
    "score": "quality_scores",
    "error": "quality_scores_std",
    "bias": "observer_bias",
    "bias_error": "observer_bias_std",
    "inconsistency": "observer_inconsistency",
    "inconsistency_ci95": "observer_inconsistency_ci95",
    "rejected": "observer_rejected",
    "share": "observer_rejected_1st_stats",
    "imbalance": "observer_rejected_2nd_stats",
    "rounds": "num_iter",
}


def dataset(scores: np.ndarray, contents: np.ndarray) -> SimpleNamespace:
    """Return the scores as sureal describes them, each rater under a number that sorts."""
    items = [
        {
            "content_id": int(content),
            "asset_id": number,
            "path": f"item{number}",
            "os": {f"{rater:04d}": float(score) for rater, score in enumerate(row) if not np.isnan(score)},
        }
        for number, (row, content) in enumerate(zip(scores, contents, strict=True))
    ]
    sources = [{"content_id": int(content), "path": f"source{content}"} for content in np.unique(contents)]
    return SimpleNamespace(
        dataset_name="scores", yuv_fmt="yuv420p", ref_videos=sources, dis_videos=items, ref_score=5.0
    )


def main() -> None:
    """Read the job, run every model, write what they found."""
    job = np.load(sys.argv[1])
    found: dict[str, np.ndarray] = {}
    for name, model in MODELS.items():
        with contextlib.redirect_stdout(io.StringIO()):
            result = model(RawDatasetReader(dataset(job["scores"], job["contents"]))).run_modeling()
        found |= {f"{name}_{short}": np.array(result[long]) for short, long in FIELDS.items() if long in result}
    found["alpha"] = np.array(
        [
            [
                krippendorff.alpha(reliability_data=coding, level_of_measurement=level)
                for level in ("nominal", "ordinal", "interval", "ratio")
            ]
            for coding in job["codings"]
        ]
    )
    np.savez(sys.argv[2], **found)


if __name__ == "__main__":
    main()
