"""Repair a submission: give every file its sample's name, convert what breaks a rule, and check the result again."""
