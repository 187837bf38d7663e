"""Words: corpora by user, the tokenizer, the vocabulary, windows of token ids."""
