"""Commands that ask alike use one word for it: an option that several of them have says the same in each."""

from __future__ import annotations

from collections import defaultdict

from optionwriter.cli.verbs import VERBS, load

ALIKE = (
    "backtest",
    "sweep",
    "runs compare",
    "lookahead-check",
    "calibrate explain-backtest",
    "data exam run",
)
OWN = {"--source", "--metric", "--driver", "--name", "--queue", "--data-dir", "--preset"}  # each has its own


def command(words: str):
    first, *rest = words.split()
    found = load(next(verb for verb in VERBS if verb.name == first))
    for word in rest:
        found = found.commands[word]
    return found


def test_shared_options_read_alike() -> None:
    told: dict[str, dict[str, str]] = defaultdict(dict)
    for words in ALIKE:
        for one in command(words).params:
            for name in one.opts:
                told[name][words] = one.help or ""
    shared = {name: found for name, found in told.items() if len(found) > 1 and name not in OWN}
    assert {"--strategy", "--from", "--to", "--underlyings", "--option", "-o", "--seed", "--json"} <= set(
        shared
    )
    for name, found in shared.items():
        assert len(set(found.values())) == 1, (name, found)
    where = {told["--data-dir"][words] for words in ("backtest", "sweep", "runs compare")}
    assert where == {"Where runs are stored without DATABASE_URL."}
