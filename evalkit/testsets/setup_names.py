"""Names of the setups that `evalkit testset setups` makes; without a library, so that listing metrics loads none."""

from __future__ import annotations

SILENT, OWN, OTHER = "silent", "own", "other"
