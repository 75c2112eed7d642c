"""GET /data and GET /api/data: coverage and quality of recorded data, a day's findings, the harvester's state.

Every route is a plain function, which the server runs beside its loop: it reads files and checks what is new.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse

from optionwriter.bootstrap.catalogue import Catalogue, CatalogueError
from optionwriter.web import schemas
from optionwriter.web.data.schemas import DataFound, DataQuery, DayQuery
from optionwriter.web.data.view import board, one_day, told
from optionwriter.web.pages import Pages

Opens = Callable[[], Catalogue]
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": schemas.Problem, "description": "Neither session nor token."},
    422: {"model": schemas.Problem, "description": "Something that is unknown, wrong or out of bounds."},
    503: {"model": schemas.Problem, "description": "The recorded data can't be read."},
}


def data_api(opens: Opens | None) -> APIRouter:
    """The API over the folder that `opens` opens."""
    routes = APIRouter(responses=_PROBLEMS)

    @routes.get("/api/data", response_model=DataFound)
    def data(query: Annotated[DataQuery, Query()]) -> Any:
        """Recorded option chains by source, asset and day: what there is, and how good it is."""
        return _asked(opens, query, lambda catalogue: told(catalogue, query))

    return routes


def data_pages(opens: Opens | None, pages: Pages) -> APIRouter:
    """The page, and the part that a chosen day fills."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/data")
    def page(query: Annotated[DataQuery, Query()]) -> HTMLResponse:
        shown = _asked(opens, query, lambda catalogue: board(catalogue, query))
        return pages.render("data/data.html", tab="data", one=None, **shown)

    @routes.get("/data/day")
    def day(query: Annotated[DayQuery, Query()]) -> HTMLResponse:
        asked = DataQuery.model_validate({"asset": query.asset, "source": query.source})
        found = _asked(
            opens, asked, lambda catalogue: one_day(catalogue, query.source, query.asset, query.day)
        )
        if found is None:
            raise HTTPException(404, f"there are no {query.asset} chains of {query.day} in {query.source}")
        return pages.render("data/day.html", one=found)

    return routes


def _asked(opens: Opens | None, query: DataQuery, answer: Callable[[Catalogue], Any]) -> Any:
    """The answer; what is not there is the asker's mistake, what can't be read is not."""
    if opens is None:
        raise HTTPException(503, "no data folder is at hand: start the page with optionwriter web")
    try:
        catalogue = opens()
        for what, one, there in (
            ("asset", query.asset, {each.asset for each in catalogue.recordings}),
            ("source", query.source, {each.source for each in catalogue.recordings}),
        ):
            if one and one not in there:
                raise HTTPException(422, f"there is no {what} {one}: there are {', '.join(sorted(there))}")
        return answer(catalogue)
    except CatalogueError as error:
        raise HTTPException(503, str(error)) from None
