"""`cg2ls` as a user without a home folder: HOME is not set, and the user database has no entry for the user.

As root the process becomes a user of a number that nobody has, as containers do it; whoever else runs the tests keeps
the number, and the database is asked in vain. KEEP_USER in the environment does the same where other users cannot
read the package.
"""

from __future__ import annotations

import os
import pwd
import sys

NOBODY = 54321

if __name__ == "__main__":
    from cg2ls.cli.main import main

    os.environ.pop("HOME", None)
    for name in [each for each in os.environ if each.startswith("XDG_") or each == "CG2LS_HOME"]:
        del os.environ[name]
    if os.geteuid() == 0 and not os.environ.get("KEEP_USER"):
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    def find_nobody(uid: int) -> None:
        """There is no such user."""
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    pwd.getpwuid = find_nobody
    sys.exit(main(sys.argv[1:]))
