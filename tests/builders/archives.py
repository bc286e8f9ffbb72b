"""Archives and listings for tests of the archive rules."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

from evalkit.challenges.submission_rules import ArchiveRules
from evalkit.submission.members import Member
from evalkit.submission.model import Submission
from evalkit.validators.archive.check import check_archive
from evalkit.validators.findings import Finding

LIMITS = ArchiveRules()


def check(path: Path, rules: ArchiveRules = LIMITS) -> list[Finding]:
    return check_archive(Submission.open(path, rules), rules, {})


names = st.text(
    st.one_of(st.sampled_from("./\\ :aAcon\u202e\0\x1b~$"), st.characters(exclude_categories=["Cs"])),
    min_size=1,
    max_size=20,
)


members = st.builds(
    lambda path, *rest: Member(path, path.encode(), *rest),
    names,
    st.integers(0, 2**64),
    st.integers(0, 2**64),
    st.sampled_from(["file", "directory", "symlink", "device"]),
    st.booleans(),
    st.integers(0, 2**16),
    st.booleans(),
    st.integers(0, 2**32),
    st.integers(-(2**33), 2**64),
)
