"""The Xet protocol, as hf-xet and hub.js speak it.

Source: the Xet specification 1.1.0 (https://huggingface.co/docs/xet), and hf-xet 1.8.0 where it goes further.
"""

from fastapi import APIRouter

from viveiro.api.hub.xet import data, reconstructions, tokens, uploads

router = APIRouter()
for part in (tokens, uploads, reconstructions, data):
    router.include_router(part.router)
