"""Reads W&B's offline files: protocol-buffer records in LevelDB's log format behind a header of seven bytes."""

import struct
from pathlib import Path

from wandb.proto import wandb_internal_pb2

BLOCK = 32768
FULL_OR_LAST = (1, 4)


def read_offline_run(folder: Path) -> list[wandb_internal_pb2.Record]:
    """All records of the one offline run under `folder`/wandb."""
    (path,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    content = path.read_bytes()
    assert content[:4] == b":W&B"
    records, pending, place = [], b"", 7
    while place + 7 <= len(content):
        room = BLOCK - place % BLOCK
        if room < 7:
            place += room
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + 7])
        pending += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in FULL_OR_LAST:
            record = wandb_internal_pb2.Record()
            record.ParseFromString(pending)
            records.append(record)
            pending = b""
    return records
