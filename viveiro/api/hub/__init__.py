"""The Hub's wire, as huggingface_hub, git and git-lfs speak it."""

from fastapi import APIRouter

from viveiro.api.hub import (
    collections,
    commits,
    discussions,
    gates,
    git,
    info,
    lfs,
    likes,
    lists,
    misc,
    oauth,
    refs,
    repos,
    resolve,
    rewriting,
    storage,
    tree,
    uploads,
    webhooks,
    weights,
    whoami,
    xet,
)

router = APIRouter()
for part in (
    *(
        whoami,
        oauth,
        webhooks,
        collections,
        repos,
        gates,
        commits,
        refs,
        rewriting,
        tree,
        weights,
        lists,
        likes,
        storage,
        discussions,
        uploads,
        misc,
    ),
    *(xet, info, lfs, resolve, git),
):
    router.include_router(part.router)
router.include_router(misc.last_router)
