#!/usr/bin/env python
"""Django's command-line utility for administrative tasks."""

import os
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from django_compose_stack.command_line import main
    except ImportError as error:
        raise ImportError("No package is installed. Run: python3 .stack native python manage.py ...") from error
    main(Path(__file__).resolve().parent)
