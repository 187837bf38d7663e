"""Words as data: corpora by user, the tokenizer, the vocabulary, and training rows of token ids."""
