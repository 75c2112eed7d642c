"""Beside: what is made of a side's quotes once and shared by its runs, and where an option stands by its help."""

from __future__ import annotations

from typing import NamedTuple

from optionwriter.core.compiled import compiled_part
from optionwriter.core.decide.grid.bands import Bands, bands_of
from optionwriter.core.decide.grid.columns import Quotes
from optionwriter.core.decide.grid.standing import NOTHING, Place, find
from optionwriter.core.decide.grid.trails import Trails, trails_of


class Beside(NamedTuple):
    """Bands and trails of one side's quotes."""

    bands: Bands
    trails: Trails


def beside(q: Quotes) -> Beside:
    """Of one side; some hundred milliseconds and 40 bytes a row."""
    return Beside(bands_of(q), trails_of(q))


class Stood(NamedTuple):
    """Where an option stood in a listing: the number of its slice, and of its row, of a step (NOTHING: nowhere)."""

    option: int
    listing: int
    slice: int
    row: int


@compiled_part
def nowhere() -> Stood:
    """Nothing is held."""
    return Stood(NOTHING, NOTHING, NOTHING, NOTHING)


@compiled_part
def place_of(q: Quotes, kept: Beside, step: int, option: int, was: Stood) -> Place:
    """Where the option stands (nowhere, if it is none), found by where it stood while the same was listed."""
    if option < 0:
        return Place(NOTHING, NOTHING)
    if option == was.option and kept.bands.listing[step] == was.listing:
        first = q.first_slice[step]
        return Place(first + was.slice, q.first_row[first] + was.row)
    return find(q, step, option)


@compiled_part
def stood_at(q: Quotes, kept: Beside, step: int, option: int, place: Place) -> Stood:
    """To be remembered of it."""
    if place.row < 0:
        return nowhere()
    first = q.first_slice[step]
    return Stood(option, kept.bands.listing[step], place.slice - first, place.row - q.first_row[first])
