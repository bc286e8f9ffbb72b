"""Check an archive as a whole by its table of contents, before a single byte is decompressed.

A rule takes time in proportion to the length of the names and yields one violation per fault, however many there are; a
report decides how many it shows. `Violation.path` is the member's name exactly as stated, so that other rules can match
it; printing it needs `evalkit.text.escape_for_display`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from evalkit.challenges.submission_rules import ArchiveRules
from evalkit.submission.model import Submission
from evalkit.validators.archive.listing import Listing
from evalkit.validators.findings import Finding, run_rules
from evalkit.validators.registry import rules_for

# Faults of one member that leave the others readable: `Submission.copy` refuses only that member.
NESTED = "archive.nested-archive"
_ONLY_THAT_MEMBER = frozenset({NESTED, "archive.unsupported-method", "archive.header-mismatch"})

# Of a member with one of these faults `MemberRef.open` reads nothing.
UNREADABLE = frozenset({"archive.unsupported-method", "archive.header-mismatch", "archive.encrypted"})


def check_archive(
    submission: Submission, rules: ArchiveRules, severities: Mapping[str, str], layouts: Iterable[str] = ()
) -> list[Finding]:
    """Return what the archive rules find, in the order of the rules and by path within a rule.

    Args:
        submission: opened with the same ``rules``, so that ``max_files`` is one number.
        rules: the challenge's limits.
        severities: rule id to "error", "warning", "info" or "off", replacing the rule's own.
        layouts: the challenge's path templates; a file that ends like one of them is never a stray.
    """
    return run_rules(rules_for("archive"), Listing.of(submission, rules, layouts), severities)


def blocks(findings: Iterable[Finding]) -> bool:
    """Return whether the archive must not be read any further.

    Every error of an archive rule blocks, except those about a single member that can't be read anyway (a nested
    archive, unusual compression, headers that disagree): one bad file never stops the rest. Encryption blocks, because
    it is rarely limited to one file.
    """
    return any(
        finding.severity == "error" and finding.rule.startswith("archive.") and finding.rule not in _ONLY_THAT_MEMBER
        for finding in findings
    )
