"""Discussions and pull requests: what people say about a repo, and what they propose to change in it."""
