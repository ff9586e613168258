"""Text in, integers out: files, vocabularies, batches, and tables of rows."""
