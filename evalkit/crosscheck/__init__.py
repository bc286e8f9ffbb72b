"""Lip sync of one video measured in several ways, among them the reference package."""
