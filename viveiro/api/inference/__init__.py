"""Inference in the Hugging Face task format, as `huggingface_hub.InferenceClient` speaks it."""

from viveiro.api.inference.models import router

__all__ = ["router"]
