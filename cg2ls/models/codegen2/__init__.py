"""CodeGen2 and the other families that can be read: configuration, special tokens, tokenizer, checkpoint files."""

from cg2ls.models.codegen2.checkpoint import Checkpoint, CheckpointError, write_checkpoint
from cg2ls.models.codegen2.config import CodeGenConfig, ConfigError
from cg2ls.models.codegen2.special_tokens import SpecialTokens
from cg2ls.models.codegen2.tokenizer import CodeTokenizer, TokenizerError

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "CodeGenConfig",
    "CodeTokenizer",
    "ConfigError",
    "SpecialTokens",
    "TokenizerError",
    "write_checkpoint",
]
