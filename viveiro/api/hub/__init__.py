"""The Hub's wire, as huggingface_hub, git and git-lfs speak it."""

from fastapi import APIRouter

from viveiro.api.hub import commits, info, likes, lists, misc, refs, repos, tree, whoami

router = APIRouter()
for part in (whoami, repos, commits, refs, tree, lists, likes, misc, info):
    router.include_router(part.router)
router.include_router(misc.last_router)
