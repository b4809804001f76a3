"""The CodeGen2 pretraining recipe: corpus, tokenizer, objective, trainer, checkpoint."""

import cg2ls  # noqa: F401 - imported first, since it turns off the telemetry of libraries

try:
    from cg2ls.models.folder.locations import cache_folder
    from cg2ls.privacy import keep_compiled_code
except ModuleNotFoundError:  # a remote machine may lack platformdirs
    pass
else:
    keep_compiled_code(cache_folder() / "torch")
