"""Reads W&B's offline files: protocol-buffer records in LevelDB's log format behind a header of seven bytes."""

import struct
import time
from pathlib import Path

from wandb.proto import wandb_internal_pb2

BLOCK = 32768
FULL_OR_LAST = (1, 4)


def read_offline_run(folder: Path, patience: float = 60.0) -> list[wandb_internal_pb2.Record]:
    """All records of the one offline run under `folder`/wandb, which W&B's own process may still be writing."""
    (path,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    deadline = time.monotonic() + patience
    while True:
        records = _parse(path.read_bytes())
        if any(record.WhichOneof("record_type") == "exit" for record in records) or time.monotonic() > deadline:
            return records
        time.sleep(0.2)


def _parse(content: bytes) -> list[wandb_internal_pb2.Record]:
    assert content[:4] == b":W&B"
    records, pending, place = [], b"", 7
    while place + 7 <= len(content):
        room = BLOCK - place % BLOCK
        if room < 7:
            place += room
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + 7])
        if place + 7 + length > len(content):
            break
        pending += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in FULL_OR_LAST:
            record = wandb_internal_pb2.Record()
            record.ParseFromString(pending)
            records.append(record)
            pending = b""
    return records
