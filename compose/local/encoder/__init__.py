"""The sparse encoder that stands in for ELSER: model, tokenizer, and the process that runs them."""
