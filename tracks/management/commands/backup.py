"""`manage.py backup FILE`: docs/OPERATIONS.md says what else is worth keeping."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tracks.ops.backup import BackupError, backup


class Command(BaseCommand):
    help = "Writes the database into a file; an older file of that name is replaced when the new one is whole."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            backup(file)
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"The database is in {file}: {file.stat().st_size / 1024:,.0f} KiB.")
