"""The documented result schema of a method, read from the official specification beside the checkout."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from tests.shared_data import shared


@lru_cache(maxsize=1)
def specification() -> dict[str, Any]:
    """The whole specification."""
    return json.loads(shared("deribit/openapi.json").read_text())


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """A node with its reference followed."""
    while "$ref" in node:
        found: Any = specification()
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def result_schema(method: str) -> dict[str, Any]:
    """The schema of `result` in the method's success reply."""
    response = resolve(specification()["paths"][f"/{method}"]["get"]["responses"]["200"])
    body = resolve(response["content"]["application/json"]["schema"])
    return resolve(body["properties"]["result"])


def undocumented(value: Any, schema: dict[str, Any], path: str = "") -> set[str]:
    """Paths of fields in `value` that the schema doesn't know."""
    schema = resolve(schema)
    options = schema.get("oneOf") or schema.get("anyOf") or []
    if options:
        return min((undocumented(value, one, path) for one in options), key=len)
    merged = [schema, *map(resolve, schema.get("allOf", []))]
    if isinstance(value, list):
        items = next((one["items"] for one in merged if "items" in one), None)
        return set() if items is None else {p for one in value for p in undocumented(one, items, path)}
    known: dict[str, Any] = {}
    for one in merged:
        known |= one.get("properties", {})
    if not isinstance(value, dict) or not known:
        return set()
    found: set[str] = set()
    for key, one in value.items():
        here = f"{path}.{key}".lstrip(".")
        found |= undocumented(one, known[key], here) if key in known else {here}
    return found


def required(schema: dict[str, Any]) -> set[str]:
    """Names of the fields that an object, or an array's objects, must have."""
    schema = resolve(schema)
    if "items" in schema:
        return required(schema["items"])
    names = set(schema.get("required", []))
    for one in schema.get("allOf", []):
        names |= required(one)
    return names
