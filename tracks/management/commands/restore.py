"""`manage.py restore FILE`: what `manage.py backup FILE` wrote."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tracks.ops.backup import BackupError, restore


class Command(BaseCommand):
    help = "Replaces what is in the database by what is in the file, whole or not at all."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            restore(file)
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write("Restored. If the backup is of an older version, run `manage.py migrate` now.")
