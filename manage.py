#!/usr/bin/env python
"""Django's command line for Top Twenty."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "spotify_top.settings")
    from django.core.management import execute_from_command_line
    from django.db import InterfaceError, OperationalError

    try:
        execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OperationalError, InterfaceError) as error:
        sys.exit(f"The database says: {str(error).strip()}\nCheck DATABASE_URL, and that the migrations have run.")


if __name__ == "__main__":
    main()
