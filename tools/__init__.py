"""Programs for those who work on Viveiro."""
