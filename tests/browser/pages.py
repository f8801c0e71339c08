"""Every page of the application: what `test_pages.py` looks at and `make screenshots` draws.

A page is an address with fields of a `Site`, and who looks at it.
"""

import re
from dataclasses import dataclass

from tests.browser.site import Site


@dataclass(frozen=True)
class PageRow:
    address: str
    who: str | None = "alice"
    status: int = 200

    def path(self, site: Site) -> str:
        return self.address.format(site=site)

    @property
    def name(self) -> str:
        """For test ids and files. `x` asks for nothing: it has the site make what the page shows."""
        plain = re.sub(r"\?x=.*|[{}]|site\.", "", self.address)
        return (
            "-".join([*re.findall(r"[\w.]+", plain), *([] if self.who == "alice" else [str(self.who or "stranger")])])
            or "home"
        )


PAGES = (
    PageRow("/-/design"),
    PageRow("/not/a/page/at/all", status=404),
    PageRow("/login", who=None),
    PageRow("/", who=None),
    PageRow("/?x={site.run}"),
    PageRow("/-/welcome", who="root"),
    PageRow("/settings/profile"),
    PageRow("/settings/tokens"),
    PageRow("/collections?x={site.collection}"),
    PageRow("/collections", who=None),
    PageRow("/collections/{site.collection}"),
    PageRow("/collections/{site.collection}", who="bob"),
    PageRow("/collections/-/add/models/{site.pickles}?x={site.collection}"),
    PageRow("/settings/webhooks?x={site.webhook}"),
    PageRow("/settings/webhooks/{site.webhook}"),
    PageRow("/alice"),
    PageRow("/acai"),
    PageRow("/organizations/new"),
    PageRow("/acai/-/members"),
    # administration
    PageRow("/jobs?x={site.run}", who="root"),
    PageRow("/jobs/{site.import_job}", who="root"),
    PageRow("/users", who="root"),
    PageRow("/audit", who="root"),
    # lists
    PageRow("/models?x={site.model}"),
    PageRow("/models?search=nothing-is-called-this"),
    PageRow("/datasets?x={site.dataset}"),
    PageRow("/models/-/facets"),
    # start a run, and runs
    PageRow("/runs/new"),
    PageRow("/runs/new?data={site.dataset}"),
    PageRow("/runs?x={site.run}"),
    PageRow("/runs", who="bob"),
    PageRow("/runs/{site.run}"),
    PageRow("/runs/{site.failed_run}"),
    PageRow("/endpoints?x={site.model}"),
    PageRow("/endpoints/{site.model}"),
    PageRow("/-/device"),
    PageRow("/-/device?code={site.device_code}"),
    # repos
    PageRow("/new"),
    PageRow("/new?kind=dataset"),
    PageRow("/{site.model}"),
    PageRow("/{site.model}", who=None),
    PageRow("/{site.starter}"),
    PageRow("/{site.empty_model}"),
    PageRow("/spaces/{site.space}"),
    PageRow("/kernels/{site.kernel}"),
    PageRow("/datasets/{site.dataset}"),
    PageRow("/datasets/{site.dataset}?check={site.check_job}"),
    PageRow("/{site.model}/tree/main"),
    PageRow("/datasets/{site.dataset}/tree/main"),
    PageRow("/{site.model}/blob/main/README.md"),
    PageRow("/{site.model}/blob/main/config.json"),
    PageRow("/{site.model}/blob/main/model.safetensors"),
    PageRow("/datasets/{site.dataset}/blob/main/README.md"),
    PageRow("/{site.pickles}/tree/main"),
    PageRow("/{site.pickles}/blob/main/evil.pkl"),
    PageRow("/{site.pickles}/blob/main/fine.bin"),
    PageRow("/{site.model}/edit/main/README.md"),
    PageRow("/datasets/{site.dataset}/edit/main/README.md"),
    PageRow("/{site.model}/new/main/"),
    PageRow("/datasets/{site.dataset}/new/main/"),
    PageRow("/{site.model}/delete/main/config.json"),
    PageRow("/datasets/{site.dataset}/delete/main/README.md"),
    PageRow("/{site.model}/upload/main/"),
    PageRow("/datasets/{site.dataset}/upload/main/"),
    PageRow("/{site.model}/commits/main"),
    PageRow("/datasets/{site.dataset}/commits/main"),
    PageRow("/{site.model}/commit/{site.commit}"),
    PageRow("/datasets/{site.dataset}/commit/{site.dataset_commit}"),
    PageRow("/{site.gated}", who="bob"),
    PageRow("/{site.gated}", who=None),
    PageRow("/{site.gated}/settings/access"),
    PageRow("/datasets/{site.closed}", who="bob"),
    PageRow("/datasets/{site.closed}/ask-access", who="bob"),
    PageRow("/datasets/{site.closed}/settings/access"),
    PageRow("/{site.gated}/ask-access", who="bob"),
    PageRow("/{site.model}/duplicate"),
    PageRow("/datasets/{site.dataset}/duplicate"),
    PageRow("/{site.discussed}/discussions"),
    PageRow("/{site.discussed}/discussions?status=closed"),
    PageRow("/{site.model}/discussions", who=None),
    PageRow("/datasets/{site.dataset}/discussions"),
    PageRow("/{site.discussed}/discussions/new", who="bob"),
    PageRow("/datasets/{site.dataset}/discussions/new"),
    PageRow("/datasets/{site.dataset}/discussions/{site.question}"),
    PageRow("/{site.discussed}/discussions/1"),
    PageRow("/{site.discussed}/discussions/2"),
    PageRow("/{site.discussed}/discussions/2?view=changes"),
    PageRow("/{site.discussed}/discussions/3"),
    PageRow("/{site.discussed}/discussions/4", who="bob"),
    PageRow("/{site.discussed}/discussions/5", who=None),
    PageRow("/{site.discussed}/edit/main/README.md", who="bob"),
    PageRow("/{site.model}/settings"),
    PageRow("/datasets/{site.dataset}/settings"),
)

NOT_PAGES = {
    "/static/{version}/{name:path}": "what pages load",
    "/favicon.ico": "the mark",
    "/settings": "leads to /settings/profile",
    "/-/running": "a part of the first page, asked for again and again",
    "/runs/{run_id}/progress": "a part of a run's page",
    "/runs/{run_id}/log": "idem",
    "/runs/new/estimate/{job_id}": "a part of the page of a new run",
    "/datasets/{namespace}/{name}/statistics": "a part of a dataset's page; leads there without htmx",
    "/datasets/{namespace}/{name}/check/{job_id}": "a part of a dataset's page",
    "/datasets/{namespace}/{name}/cell": "a value of a dataset's page; plain text without htmx",
    "/{kind:kind}/{namespace}/{name}/picture/{rest:path}": "pictures of cards",
    "/{namespace}/{name}/picture/{rest:path}": "idem",
}
"""GET routes of `viveiro.web` that answer no whole page, and what they answer."""
