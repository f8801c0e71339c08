"""The Hub's wire, as huggingface_hub, git and git-lfs speak it."""

from fastapi import APIRouter

from viveiro.api.hub import (
    commits,
    git,
    info,
    lfs,
    likes,
    lists,
    misc,
    refs,
    repos,
    resolve,
    rewriting,
    tree,
    weights,
    whoami,
)

router = APIRouter()
for part in (whoami, repos, commits, refs, rewriting, tree, weights, lists, likes, misc, info, lfs, resolve, git):
    router.include_router(part.router)
router.include_router(misc.last_router)
