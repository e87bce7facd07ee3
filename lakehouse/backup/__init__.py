"""Backups: dated copies of a whole lake that share their files, and lakes made of them."""

from __future__ import annotations

from lakehouse.backup.manifest import Entry, LeftOut, Manifest
from lakehouse.backup.restoration import restore
from lakehouse.backup.run import Backup, back_up
from lakehouse.backup.store import BackupStore

__all__ = ["Backup", "BackupStore", "Entry", "LeftOut", "Manifest", "back_up", "restore"]
