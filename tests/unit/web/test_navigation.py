import pytest
from starlette.requests import Request

from viveiro.web.navigation import go_to, own_address, sign_in_address


def request(**headers):
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": raw})


class TestWhereToGoBackTo:
    @pytest.mark.parametrize(
        "wanted",
        [
            "/",
            "/models",
            "/alice/tickets?sort=likes#files",
            "/açaí/modelo",
            "/a//b",
            "/login?next=https://evil.example",
        ],
    )
    def test_a_path_of_this_server_is_kept(self, wanted):
        assert own_address(wanted) == wanted

    @pytest.mark.parametrize(
        "wanted",
        [
            *("https://evil.example", "https:evil.example", "HTTPS://evil.example/", "ftp://evil.example"),
            *("//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "/ok\\..\\evil"),
            *("javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", " javascript:alert(1)"),
            *("/\t/evil.example", "/\n/evil.example", "\t//evil.example", "/\r\nSet-Cookie: a=b", "/\0"),
            *("/\u200b/evil.example", "/\u202egpj", "/\u2028/evil.example", "\ufeff//evil.example"),
            *("evil.example", "models", "?next=1", "#x", " /models"),
            *("http://[::1", "//[", ""),
            None,
        ],
    )
    def test_anything_else_leads_to_the_start(self, wanted):
        assert own_address(wanted) == "/"

    def test_or_to_where_the_page_says(self):
        assert own_address("//evil.example", "/settings/tokens") == "/settings/tokens"

    def test_the_way_back_survives_the_address_of_the_sign_in_page(self):
        assert sign_in_address("/models?search=a&b=c#d") == "/login?next=%2Fmodels%3Fsearch%3Da%26b%3Dc%23d"


class TestAfterAForm:
    def test_a_browser_loads_a_page_that_can_be_loaded_again(self):
        response = go_to(request(), "/jobs")
        assert (response.status_code, response.headers["location"]) == (303, "/jobs")

    def test_htmx_navigates_the_whole_page(self):
        response = go_to(request(hx_request="true"), "/jobs")
        assert (response.status_code, response.headers["hx-redirect"]) == (204, "/jobs")
        assert "location" not in response.headers
