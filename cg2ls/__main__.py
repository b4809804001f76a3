"""`python -m cg2ls` is the command `cg2ls`."""

import sys

from cg2ls.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
