"""GET /calibration and its part: the form with the slider, and what it shows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse
from pydantic import Field, field_validator

from optionwriter.bootstrap.calibrator import Calibrator
from optionwriter.services.calibrate import CalibrationError
from optionwriter.web.calibration.api import held
from optionwriter.web.calibration.schemas import CalibrationQuery
from optionwriter.web.calibration.view import shown
from optionwriter.web.pages import Pages


class PageQuery(CalibrationQuery):
    """The form's fields: an instant as a date and time, UTC, or nothing for the latest."""

    at: str = Field("", max_length=40)

    @field_validator("at")
    @classmethod
    def _instant(cls, value: str) -> str:
        if value:
            try:
                datetime.fromisoformat(value)
            except ValueError:
                raise ValueError("give a date and time such as 2026-02-10T12:00, or nothing") from None
        return value

    @property
    def asked(self) -> CalibrationQuery:
        """As the API is asked."""
        at_ms = self.at_ms
        if self.at:
            moment = datetime.fromisoformat(self.at)
            at_ms = round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
        return CalibrationQuery.model_validate({**self.model_dump(exclude={"at"}), "at_ms": at_ms})


def calibration_pages(calibrator: Calibrator | None, pages: Pages) -> APIRouter:
    """The pages over `calibrator`; without one they say so."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/calibration")
    def page(query: Annotated[PageQuery, Query()]) -> HTMLResponse:
        if calibrator is None:
            raise HTTPException(503, "no recorded chains are at hand: start the page with optionwriter web")
        return pages.render(
            "calibration/calibration.html",
            tab="calibration",
            query=query,
            choices=calibrator.choices,
            **_result(query),
        )

    @routes.get("/calibration/result")
    def result(query: Annotated[PageQuery, Query()]) -> HTMLResponse:
        return pages.render("calibration/result.html", query=query, **_result(query))

    def _result(query: PageQuery) -> dict[str, Any]:
        if query.source == "live" and (query.at or query.at_ms is not None):
            return {"problem": "live is now: empty the instant, or choose recorded marks"}
        try:
            asked = query.asked
        except ValueError:
            return {"problem": f"{query.at} is no instant that can be: name another"}
        try:
            return {"one": shown(held(calibrator, asked))}
        except CalibrationError as error:
            return {"problem": str(error)}

    return routes
