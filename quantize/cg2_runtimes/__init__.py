"""Other runtimes for the same weights, for `cg2ls bench --against`.

Converting needs their exporters, so `python -m cg2_runtimes` runs in an environment with the extra
`reference`; serving needs only the runtime itself.
"""

import cg2ls  # noqa: F401 - first of all, it turns off what libraries would report
