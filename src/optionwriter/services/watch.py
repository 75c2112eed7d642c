"""Watch: what is looked at before each cycle and between two: people's commands, and the kill switch.

Keeps: commands are obeyed in their order, one is marked as done before the next is begun, and obeying one again after a
crash between acting and marking changes nothing. A resume lifts only what was engaged before it was asked for. The
switch is looked at whatever becomes of the commands; nothing here raises but LedgerError.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from optionwriter.core.books.facts import TradingState
from optionwriter.ports import Command, KillOrder, LedgerError, ViewSink
from optionwriter.services.cycle import Desk
from optionwriter.services.kill import Killed, lift, obey_kill, words

BY_COMMAND = "command"

log = structlog.get_logger(__name__)


class Watch:
    """One for each run of the agent."""

    def __init__(self, desk: Desk, commands: ViewSink | None, notice: Callable[[str], None]) -> None:
        """`notice` is told, once, of each thing that a person should know."""
        self._desk = desk
        self._commands = commands
        self._notice = notice
        self._order: KillOrder | None = None
        self._obeyed: Command | None = None  # acted upon, and perhaps not marked as done
        self._said = ""

    def look(self) -> bool:
        """Obeys; True when something changed, so that a cycle should follow at once. Errors: LedgerError."""
        before = self._desk.recorder.book.seq
        obeyed = self._told(self._obey_commands, "a command could not be obeyed")
        changed = obeyed | self._told(self._see_kill, "the kill switch could not be obeyed whole")
        return changed or self._desk.recorder.book.seq != before

    def _told(self, action: Callable[[], bool], what: str) -> bool:
        try:
            return action()
        except LedgerError:
            raise
        except Exception as error:  # the loop goes on, and looks again
            text = f"{what}: {type(error).__name__}: {error}"
            if text != self._said:
                log.exception(what)
            self._say(text)
            return False

    def _say(self, text: str) -> None:
        """Says what is not what was said last: it is looked at every second."""
        if text != self._said:
            self._said = text
            self._notice(text)

    def _obey_commands(self) -> bool:
        obeyed = False
        for command in () if self._commands is None else self._commands.pending_commands():
            if command != self._obeyed:
                self._obey(command)
                self._obeyed, obeyed = command, True
            if self._commands is None or not self._commands.done(command.id):
                break  # the next one waits until this one is done for certain
        return obeyed

    def _obey(self, command: Command) -> None:
        """Does what is asked. Errors: OSError when the switch can't be written."""
        if command.kind == "kill":
            if self._desk.kill.read() is None:
                self._desk.kill.engage(command.reason, BY_COMMAND, command.at_ms)
        elif command.kind == "resume":
            self._resume(command)
        else:
            log.warning("unknown command", kind=command.kind, id=command.id)
            self._notice(f"a command {command.kind!r} is not known and was left alone: kill and resume are")

    def _resume(self, command: Command) -> None:
        order, book = self._desk.kill.read(), self._desk.recorder.book
        if order is not None and order.at_ms > command.at_ms:
            self._notice(f"not resumed: {words(order)}, which is later than the resume; resume again")
            return
        if order is None and book.state is TradingState.ACTIVE:
            self._notice("resume: there was nothing to lift")
            return
        self._desk.kill.clear()
        self._notice(lift(self._desk.recorder, command.reason))

    def _see_kill(self) -> bool:
        """Sees to it that an engaged switch is obeyed to the end; whether it was engaged or lifted since."""
        desk, order = self._desk, self._desk.kill.read()
        changed, self._order = order != self._order, order
        if order is None or not (changed or desk.recorder.book.live_labels):
            return changed
        killed = obey_kill(desk.recorder, desk.broker, desk.kill)
        if killed is not None:
            self._say(_told(killed))
        return changed


def _told(killed: Killed) -> str:
    if not killed.left:
        return f"{words(killed.order)}. Nothing of ours rests; lifted by optionwriter resume"
    return f"{words(killed.order)}. Not certain yet, and tried again: {'; '.join(killed.left)}"
