"""Imported by the process that the readers of damaged inputs are forked from, so that each has all it needs."""

from fuzz_kinds import PARTS

for parts in PARTS.values():
    parts()
