"""Text in, integers out: files, vocabularies, batches."""
