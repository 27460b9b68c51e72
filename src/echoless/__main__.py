"""`python -m echoless`."""

import sys

from echoless.cli import main

sys.exit(main())
