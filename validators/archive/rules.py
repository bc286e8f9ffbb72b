"""Rules about the archive as a whole, judged from its table of contents before a single byte is decompressed.

A rule takes time in proportion to the names' length and yields a violation per fault, however many there are; a report
decides how many it shows. `Violation.path` is the member's name exactly as stated, so that other rules can match it;
whatever prints it neutralises it (`evalkit.text`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from evalkit.challenges.model import ArchiveRules
from evalkit.submission.model import Submission
from evalkit.validators.archive import collisions, limits, names, structure
from evalkit.validators.archive.listing import Listing
from evalkit.validators.archive.names import junk
from evalkit.validators.findings import Finding, Rule, run_rules

__all__ = ["RULES", "Listing", "blocks", "check_archive", "junk"]

RULES: tuple[Rule[Listing], ...] = (
    Rule("archive.path-traversal", "archive", "error", "names that climb out of the folder", names.path_traversal),
    Rule("archive.absolute-path", "archive", "error", "absolute names", names.absolute_path),
    Rule("archive.backslash", "archive", "error", "backslashes in names", names.backslash),
    Rule("archive.symlink", "archive", "error", "symbolic links", limits.symlink),
    Rule("archive.device", "archive", "error", "devices, pipes and sockets", limits.device),
    Rule("archive.duplicate-name", "archive", "error", "the same name twice", collisions.duplicate_name),
    Rule(
        "archive.case-collision",
        "archive",
        "error",
        "names that differ only in case or accents' encoding",
        collisions.case_collision,
    ),
    Rule("archive.file-is-folder", "archive", "error", "files in the place of folders", collisions.file_is_folder),
    Rule("archive.encrypted", "archive", "error", "encrypted members", limits.encrypted),
    Rule("archive.nested-archive", "archive", "error", "archives in the archive", names.nested_archive),
    Rule("archive.bomb-ratio", "archive", "error", "members that grow too much", limits.bomb_ratio),
    Rule("archive.too-large-total", "archive", "error", "size of everything", limits.too_large_total),
    Rule("archive.too-large-file", "archive", "error", "size of one member", limits.too_large_file),
    Rule("archive.too-many-files", "archive", "error", "number of members", limits.too_many_files),
    Rule("archive.name-not-utf8", "archive", "error", "names that are not UTF-8", names.name_not_utf8),
    Rule("archive.control-characters", "archive", "error", "invisible characters in names", names.control_characters),
    Rule("archive.end-record", "archive", "error", "end records that disagree", structure.end_record),
    Rule("archive.hidden-member", "archive", "error", "members that are not listed", structure.hidden_member),
    Rule("archive.overlap", "archive", "error", "members that share data", limits.overlap),
    Rule("archive.long-name", "archive", "error", "names too long or too deep to store", names.long_name),
    Rule("archive.sparse-file", "archive", "warning", "files that are mostly holes", limits.sparse_file),
    Rule("archive.header-mismatch", "archive", "error", "members described in two ways", structure.header_mismatch),
    Rule("archive.unsupported-method", "archive", "error", "unusual compression", limits.unsupported_method),
    Rule("archive.unlisted-data", "archive", "warning", "bytes outside the members", structure.unlisted_data),
    Rule("archive.windows-reserved", "archive", "warning", "names that Windows can't store", names.windows_reserved),
    Rule("archive.junk", "archive", "info", "files that desktops add", names.desktop_files),
)

# Faults of one member that leave the others readable: `Submission.copy` refuses that member alone.
_ONLY_THAT_MEMBER = frozenset({"archive.nested-archive", "archive.unsupported-method", "archive.header-mismatch"})


def check_archive(submission: Submission, rules: ArchiveRules, severities: Mapping[str, str]) -> list[Finding]:
    """Return what the archive rules find, in the rules' order and by path within a rule.

    Args:
        submission: opened with the same ``rules``, so that ``max_files`` is one number.
        rules: the challenge's limits.
        severities: rule id to "error", "warning", "info" or "off", replacing the rule's own.
    """
    return run_rules(RULES, Listing.of(submission, rules), severities)


def blocks(findings: Iterable[Finding]) -> bool:
    """Return whether the archive must not be read any further.

    Every error of an archive rule does, but for those about a single member that can't be read anyway (a nested
    archive, unusual compression, headers that disagree): one bad file never stops the rest. A password is no accident
    of one file.
    """
    return any(
        finding.severity == "error" and finding.rule.startswith("archive.") and finding.rule not in _ONLY_THAT_MEMBER
        for finding in findings
    )
