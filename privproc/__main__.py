"""``python -m privproc``."""

import sys

from privproc.cli.main import main

sys.exit(main())
