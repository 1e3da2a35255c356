"""Jobs, lanes and budgets as the pool sees them: no picture, no network."""

from batchgen.request import Kind, Request
from batchgen.running.buy.budget import Budget
from batchgen.running.schedule.lanes import Job, Lane, Lanes
from batchgen.running.schedule.rate_limits import ConcurrencyLimit, StartRate
from batchgen.store.ledger.reader import Spent


def job(name, model="a", price=1):
    request = Request(str(name), b"{}", "simulator", Kind.IMAGE, model, {"prompt": str(name)})
    return Job(request, reserve_microusd=price, estimate_microusd=price)


def lane(model="a", names=(), *, limit=1000, per_s=None, burst=5, price=1, fed=True):
    made = Lane(model, ConcurrencyLimit(limit, adaptive=False), StartRate(per_s, burst=burst))
    made.add([job(name, model, price) for name in names])
    made.fed = fed
    return made


def lanes(*made, ceiling=1000, cap=None, waits_for_budget=False):
    return Lanes(made, ceiling=ceiling, budget=Budget(cap, Spent()), waits_for_budget=waits_for_budget)
