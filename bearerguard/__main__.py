"""``python -m bearerguard`` is the command ``bearerguard``."""

import sys

from bearerguard.cli import main

if __name__ == "__main__":
    sys.exit(main())
