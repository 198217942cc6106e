"""The OpenAPI document: nothing is served that it does not name, and nothing named that is not served."""

import re
from types import SimpleNamespace

import pytest
import schemathesis

from rp_notebook.endpoint import client_routes
from rp_notebook.endpoint.listening import listening
from rp_notebook.endpoint.openapi import document
from rp_notebook.endpoint.routes import NoRoute
from rp_notebook.endpoint.service import Service
from rp_notebook.server import routes
from rp_notebook.server.kernels import Kernels


def of_a_kernel():
    return listening(Service(lambda _: True, lambda: 0.0), "key", 0)._routes, client_routes.DOOR, "/v2/ep"


def of_jupyter():
    kernels = Kernels(SimpleNamespace(), rate_limits=False, private_webhooks=False)
    beside = {routes.KeyRoute}  # makes keys of an endpoint, and is no part of it
    mounted = [
        route
        for route in routes.jupyter_routes(kernels, routes.Keys())
        if route[1] not in beside and not issubclass(route[1], NoRoute)
    ]
    return mounted, routes.DOOR, "/runpod/v2/ep"


@pytest.mark.parametrize("place", [of_a_kernel, of_jupyter], ids=["kernel", "jupyter"])
def test_the_document_and_the_routes_tell_the_same(place):
    served, door, url = place()
    told = document("ep", url, door)
    schemathesis.openapi.from_dict(told).validate()
    paths = [url + re.sub(r"\{\w+\}", "x", path) for path in told["paths"]]
    routed = {path: [regex for regex, *_ in served if re.fullmatch(regex, path)] for path in paths}
    assert all(len(matching) == 1 for matching in routed.values()), routed
    assert {regex for matching in routed.values() for regex in matching} == {regex for regex, *_ in served}
