#!/usr/bin/env python
"""Django's command line for Top Twenty."""

import os
import shlex
import sys
from pathlib import Path


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "spotify_top.settings")
    try:
        from django.core.management import execute_from_command_line
        from django.db import InterfaceError, OperationalError
    except ModuleNotFoundError as error:
        sys.exit(what_to_type(error))
    try:
        execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OperationalError, InterfaceError) as error:
        sys.exit(f"The database says: {str(error).strip()}\nCheck DATABASE_URL, and that the migrations have run.")


def what_to_type(error: ModuleNotFoundError) -> str:
    """One line for somebody whose Python lacks what the site needs: the command that works."""
    environment = Path(__file__).resolve().parent / ".venv"
    python = environment / "bin" / "python"
    if python.exists() and Path(sys.prefix).resolve() != environment.resolve():
        command = shlex.join([os.path.relpath(python), os.path.relpath(__file__), *sys.argv[1:]])
        return f"This Python lacks the package {error.name}; the one in .venv has it. Type: {command}"
    return f"This Python lacks the package {error.name}. Type first: make run (it installs what is missing in .venv)"


if __name__ == "__main__":
    main()
