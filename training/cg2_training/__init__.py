"""The CodeGen2 pretraining recipe: corpus, tokenizer, objective, trainer, checkpoint."""
