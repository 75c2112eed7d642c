"""GET /docs: the API's addresses, parameters and fields, made from the same schema as /openapi.json."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse

from optionwriter.web.pages import Pages

Row = dict[str, Any]


def reference(app: FastAPI, pages: Pages) -> APIRouter:
    """The page's route."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/docs")
    def page() -> HTMLResponse:
        document = app.openapi()
        schemas = document["components"]["schemas"]
        shown = [
            {"name": name, "about": one.get("description", ""), "fields": fields_of(one)}
            for name, one in schemas.items()
            if one.get("type") == "object" and not name.endswith("ValidationError")
        ]
        return pages.render(
            "reference/reference.html",
            tab="api",
            info=document["info"],
            operations=_operations(document),
            schemas=shown,
        )

    return routes


def _operations(document: Row) -> list[Row]:
    return [
        {
            "path": path,
            "method": method.upper(),
            "about": one.get("description", ""),
            "parameters": [
                {
                    "name": each["name"],
                    "type": type_of(each["schema"]),
                    "about": each.get("description") or each["schema"].get("description", ""),
                    "default": each["schema"].get("default"),
                }
                for each in one.get("parameters", [])
            ],
            "link": method == "get" and "{" not in path,
            "takes": _shape(one.get("requestBody")),
            "status": good,
            "answer": _shape(one["responses"][good]),
        }
        for path, methods in document["paths"].items()
        for method, one in methods.items()
        for good in (min(one["responses"]),)
    ]


def _shape(body: Row | None) -> str:
    """The name of a JSON body's shape, "" where it has none."""
    schema = (body or {}).get("content", {}).get("application/json", {}).get("schema")
    return type_of(schema) if schema else ""


def fields_of(schema: Row) -> list[Row]:
    """Name, type and meaning of each field."""
    return [
        {"name": name, "type": type_of(one), "about": one.get("description", "")}
        for name, one in schema.get("properties", {}).items()
    ]


def type_of(schema: Row) -> str:
    """A JSON schema's type in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(type_of(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(str(one) for one in schema["enum"])
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {type_of(schema.get('items', {}))}"
    bounds = [
        f"{word} {schema[key]}" for word, key in (("from", "minimum"), ("to", "maximum")) if key in schema
    ]
    return " ".join([kind, *bounds])
