"""/api/calibration: the volatility models held against one chain, recorded or the exchange's own now.

A plain function, which the server runs beside its loop: files are read or the exchange asked, and smiles fitted.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query

from optionwriter.bootstrap.calibrating import UnreachableError
from optionwriter.bootstrap.calibrator import Calibrator
from optionwriter.services.calibrate import CalibrationError
from optionwriter.services.calibrated import report_json
from optionwriter.web import schemas
from optionwriter.web.calibration.schemas import Calibration, CalibrationQuery

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": schemas.Problem, "description": "Neither session nor token."},
    404: {
        "model": schemas.Problem,
        "description": "No such chain was recorded; the sentence names the cure.",
    },
    422: {"model": schemas.Problem, "description": "Something that is unknown, wrong or out of bounds."},
    502: {
        "model": schemas.Problem,
        "description": "The exchange gives no chain now; the sentence names why and the cure.",
    },
    503: {"model": schemas.Problem, "description": "This page was started without recorded chains."},
}


def held(calibrator: Calibrator | None, query: CalibrationQuery) -> dict[str, Any]:
    """What is asked for, as plain values. Errors: CalibrationError; HTTPException without a calibrator."""
    if calibrator is None:
        raise HTTPException(503, "no recorded chains are at hand: start the page with optionwriter web")
    report = calibrator.at(
        query.source, query.underlying, query.family, query.at_ms, query.iv_multiplier, query.failed_days
    )
    told = report_json(report.found, report.notes)
    live = report.age_s is not None
    return {
        **told,
        "source": query.source,
        "environment": report.asked.environment if live else None,
        "age_s": report.age_s,
        "at_ms": told["last_ms"],
    }


def calibration_api(calibrator: Calibrator | None) -> APIRouter:
    """The route over `calibrator`; without one it says so."""
    routes = APIRouter(responses=_PROBLEMS)

    @routes.get("/api/calibration", response_model=Calibration)
    def calibration(query: Annotated[CalibrationQuery, Query()]) -> Any:
        """How far synthetic volatilities are from a chain's marks, the best multiplier, and the smiles."""
        if query.source == "live" and query.at_ms is not None:
            raise HTTPException(422, "at_ms: live is now: leave it out, or choose a recorded source")
        try:
            return held(calibrator, query)
        except UnreachableError as error:
            raise HTTPException(502, str(error)) from None
        except CalibrationError as error:
            raise HTTPException(404, str(error)) from None

    return routes
