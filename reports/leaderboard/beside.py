"""What may lie beside a leaderboard's page: a page per team, and a folder of videos; safe names for both."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from evalkit.board.model import Run
from evalkit.reports.page import write_page

TEAMS, MEDIA = "teams", "media"  # folders
LONGEST = 40  # characters of a file's name, without what tells it from others
OURS = b'<meta name="generator" content="evalkit team page">'
_PLAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_RESERVED = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9]")  # no file may have such a name on Windows


def page_names(teams: Iterable[str]) -> dict[str, str]:
    """Return team -> file name without ending: ASCII letters, digits and hyphens, different in every file system.

    A team whose name is such a name already keeps it; of any other, some of its letters and a digest of it are left.
    """
    names = sorted(set(teams))
    found = {team: team for team in names if _PLAIN.fullmatch(team) and not _RESERVED.fullmatch(team)}
    taken = set(found.values())
    for team in names:
        if team in found:
            continue
        digest = hashlib.sha256(team.encode("utf-8", "surrogatepass")).hexdigest()
        word = re.sub(r"[^a-z0-9]+", "-", team.lower())[:LONGEST].strip("-") or "team"
        # Somebody may have chosen another team's name with its digest for their own.
        found[team] = next(name for length in range(8, 65) if (name := f"{word}-{digest[:length]}") not in taken)
        taken.add(found[team])
    return found


@dataclass(frozen=True)
class Beside:
    """What a page may link to.

    Args:
        pages: team -> file of its page in `TEAMS`, without ending; empty where there are none.
        names: team -> its safe name.
        folder: the folder in which the page lies; ``None`` for a page that has nothing beside it.
    """

    pages: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None

    def page(self, team: str) -> str | None:
        """Return the address of a team's page from the leaderboard."""
        return f"{TEAMS}/{self.pages[team]}.html" if team in self.pages else None

    def video(self, run: Run, sample: str, *, several: bool = False) -> str | None:
        """Return the address of a video from the leaderboard: ``media/TEAM/SAMPLE.mp4``; ``None`` where there is none.

        Args:
            run: whose; the competing run of its team.
            sample: of the test set; an id with slashes is a path.
            several: whether several runs of the team compete: then ``media/TEAM/RUN/SAMPLE.mp4``.
        """
        if self.folder is None or not (self.folder / MEDIA).is_dir():
            return None
        inner = [*([run.name] if several else []), *sample.split("/")]
        inner[-1] += ".mp4"
        root = (self.folder / MEDIA).resolve()
        for team in dict.fromkeys((run.team, self.names.get(run.team, run.team))):
            parts = [team, *inner]
            if not all(map(_is_safe, parts)):
                continue
            try:
                file = root.joinpath(*parts).resolve()
                if file.is_file() and file.is_relative_to(root):
                    return "/".join((MEDIA, *(quote(part, safe="") for part in parts)))
            except (OSError, ValueError):  # a name that no file can have: the filmstrip stays
                continue
        return None


def _is_safe(part: str) -> bool:
    """Whether a name is that of a file or folder right here, on every system."""
    return bool(part.strip(" .")) and not part.startswith(".") and not re.search(r"[/\\:\x00-\x1f]", part)


def write_team_pages(pages: Mapping[str, str], folder: Path) -> tuple[list[Path], list[Path]]:
    """Write the pages (name without ending -> text) into ``folder``; return those written and those removed.

    Pages of teams that are not among them any more are removed, so that nobody publishes them: files that an earlier
    run wrote there, and no others.

    Raises:
        StorageError: when the folder can't be written.
    """
    written = []
    for name, text in pages.items():
        write_page(text, folder / f"{name}.html")
        written.append(folder / f"{name}.html")
    gone = [file for file in sorted(folder.glob("*.html")) if file not in written and _is_ours(file)]
    for file in gone:
        file.unlink(missing_ok=True)
    return written, gone


def _is_ours(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return OURS in opened.read(4096)
    except OSError:  # what can't be read is not known to be ours, and stays
        return False
