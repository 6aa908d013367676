"""``python -m plutino`` is the command line."""

from __future__ import annotations

import sys

from plutino.cli import main

sys.exit(main())
