"""Run the same jobs in evalkit; the counterpart of ``others.py``.

    python ours.py WORK RESULT.json

The functions ``evalkit_JOB`` are what the page shows, and what is run.
"""

# ruff: noqa: ANN001, ANN201, ANN003

from __future__ import annotations

import inspect
import json
import re
import sys
import textwrap
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from cases import CASES, both, outcome


def evalkit_fid(real, generated, **options):
    import evalkit

    return evalkit.measure("fid", generated, reference=real, **options)


def evalkit_psnr(real, generated):
    import evalkit

    return evalkit.measure("psnr", generated, reference=real)


def main() -> None:
    import os

    import evalkit

    work, result = Path(sys.argv[1]), Path(sys.argv[2])
    os.environ["EVALKIT_WEIGHTS"] = str(work)
    found = {
        "fid": {"evalkit": {case: observe(evalkit_fid, case, backbones=work / "random.yaml") for case in CASES}},
        "psnr": {"evalkit": {case: observe(evalkit_psnr, case) for case in CASES}},
    }
    code = {job: {"evalkit": shown(function)} for job, function in (("fid", evalkit_fid), ("psnr", evalkit_psnr))}
    versions = {"evalkit": evalkit.__version__}
    result.write_text(json.dumps({"versions": versions, "code": code, "found": found}, indent=1))


def observe(job, case: str, **options: object) -> dict[str, object]:
    real, generated = both(case)
    if case == "floats":
        real, generated = real / np.float32(255), generated / np.float32(255)
    if case == "axes":
        generated = generated.transpose(0, 3, 1, 2).copy()
    if case == "nan":
        generated = generated.astype(np.float32)
        generated[0, 0, 0, 0] = np.nan
    return outcome(lambda: number_of(job(real, generated, **options)))


def number_of(measurement):
    """Return the value; where there is none, or a note beside it, what evalkit says of that."""
    import warnings

    if measurement.value is None:
        return {"reason": measurement.reason, "message": measurement.detail}
    for note in measurement.notes:
        warnings.warn(f"{note.kind}: {note.detail}", stacklevel=1)
    return measurement.value


def shown(function) -> str:
    """Return a function's body without what only this observation needs: where the weights are."""
    body = textwrap.dedent("".join(inspect.getsourcelines(function)[0][1:]))
    return re.sub("^return ", "value = ", body.replace(", **options", ""), flags=re.MULTILINE).strip() + "\n"


if __name__ == "__main__":
    main()
