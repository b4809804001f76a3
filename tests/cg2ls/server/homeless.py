"""`cg2ls` as a user without a home folder: HOME is not set, and the user database has no entry for the user.

As root, the process changes to a user id without an account, as containers do. Otherwise the user id stays, and
only the look-up in the user database fails. KEEP_USER in the environment keeps root's id too, where other users cannot
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
