"""Token ids: the tokenizer, the maximum length, what is cut and what is unknown."""
