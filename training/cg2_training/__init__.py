"""The CodeGen2 pretraining recipe: corpus, tokenizer, objective, trainer, checkpoint."""

import cg2ls  # noqa: F401 - first of all, it turns off what libraries would report

try:
    from cg2ls.models.folder.locations import cache_folder
    from cg2ls.privacy import keep_compiled_code
except ModuleNotFoundError:  # a borrowed machine, which has no platformdirs
    pass
else:
    keep_compiled_code(cache_folder() / "torch")
