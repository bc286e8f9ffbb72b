"""Backbones: which weights file plays which role, where it lies, and whether it is the pinned one."""
