"""Tensors and nothing else: no SQL, no HTTP, no settings.

Neither this module nor `tasks/` nor `engines/` imports torch or transformers when it is imported: who only wants to know
what a task is called, such as the web process, stays light.
"""
