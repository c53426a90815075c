"""What `functools.partial` binds: the guest can neither see nor change it."""

import functools

import pytest

from hypercell import Tool
from hypercell._tools import ArgumentError


def fetch(key: str, tenant: str = "public", **options: object) -> list[object]:
    """Fetches a row."""
    return [key, tenant, options]


@pytest.mark.parametrize(
    "function",
    [
        functools.partial(fetch, tenant="acme"),
        functools.partial(functools.partial(fetch, tenant="acme"), color="red"),
        functools.partial(dict, tenant="acme"),
        functools.partial(lambda **options: options, tenant="acme"),
    ],
)
def test_bound_argument_cannot_be_given_again(function):
    tool = Tool(function, name="fetch")
    assert "tenant" not in tool.schema["properties"]
    with pytest.raises(ArgumentError, match=r"^fetch: unknown argument 'tenant'; it takes "):
        tool.bind({"key": "k", "tenant": "other"})


def test_other_arguments_still_reach_a_function_that_takes_any():
    tool = Tool(functools.partial(fetch, tenant="acme"), name="fetch")
    assert tool.function(**tool.bind({"key": "k", "limit": 5})) == ["k", "acme", {"limit": 5}]
