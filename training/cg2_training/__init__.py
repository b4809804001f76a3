"""The CodeGen2 pretraining recipe: corpus, tokenizer, objective, trainer, checkpoint."""

import os

import cg2ls  # noqa: F401 - first of all, it turns off what libraries would report

try:
    from cg2ls.modelfolder.folders import cache_folder
except ModuleNotFoundError:  # a borrowed machine, which has no platformdirs
    pass
else:  # PyTorch keeps what it compiles; otherwise in a folder for all users' temporary files
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_folder() / "torch"))
