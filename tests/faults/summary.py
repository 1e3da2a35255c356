"""The table at the end of a test run: what went wrong on purpose, and what it cost."""

from tests.faults.shop import table

_COLUMNS = (
    ("faults injected", "faults"),
    ("requests billed", "billed"),
    ("pictures stored", "stored"),
    ("recorded answers paid twice", "paid_twice"),
    ("lost", "lost"),
    ("in doubt, listed", "in_doubt"),
)


def print_table(terminalreporter):
    reports = [report for group in terminalreporter.stats.values() for report in group]
    found = [
        value
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == "faults"
    ]
    if not found:
        return
    total = table(found)
    terminalreporter.section("faults")
    for title, name in _COLUMNS:
        terminalreporter.write_line(f"{title:<30}{total[name]:>8,}")
    terminalreporter.write_line(f"{'in doubt, priced at':<30}{total['in_doubt_microusd'] / 1e6:>8.2f} USD")
