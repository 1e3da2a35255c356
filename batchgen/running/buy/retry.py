"""What follows a failed attempt: again after a wait, held, or the end of the request or of the run.

The policy is written with tenacity's strategies, but the wait is spent in a lane's queue and not inside a worker, so
that a request that waits holds no slot. No layer below retries a post.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from tenacity import RetryCallState, Retrying, stop_after_attempt, wait_random_exponential

from batchgen.provider.interface import Failed, Verdict
from batchgen.request import Kind, State
from batchgen.running.buy.budget import RetryTokens, Risk

SHORTEST_WAIT_S = 0.2
LONGEST_BACKOFF_S = 60.0
LONGEST_GONE_WAIT_S = 15.0
# An error that nobody can explain is worth two more tries at most.
UNCLEAR_TRIES = 3
# Throttled requests are bounded by time and not by count: the service asked them to come back.
THROTTLED_FOR_S = 30 * 60.0

_backoff = wait_random_exponential(multiplier=2, max=LONGEST_BACKOFF_S, min=SHORTEST_WAIT_S)
_unclear_stop = stop_after_attempt(UNCLEAR_TRIES)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a manifest says of retries; ``max_wait_s`` is the longest wait a service may ask for."""

    attempts: int = 6
    deadline_s: float = 660.0
    video_deadline_s: float = 1800.0
    max_wait_s: float = 15 * 60.0
    retry_doubt: bool = True

    def deadline_s_of(self, kind: Kind) -> float:
        """Return the longest a call for a result of this kind may take in all."""
        return self.video_deadline_s if kind is Kind.VIDEO else self.deadline_s


@dataclass(frozen=True, slots=True)
class Tries:
    """The tries of a request so far; ``doubts`` are counted across processes, the rest within one."""

    unbilled: int = 0
    doubts: int = 0
    throttled_since: float | None = None
    throttles: int = 0


@dataclass(frozen=True, slots=True)
class Again:
    """The decision to send the request once more, after ``wait_s``."""

    wait_s: float
    tries: Tries


@dataclass(frozen=True, slots=True)
class Leave:
    """The decision to send the request no more in this run; the request stays in ``state``."""

    state: State


@dataclass(frozen=True, slots=True)
class StopRun:
    """The decision to send no request of this run any more; the failed attempt was not billed."""

    why: str


@dataclass(frozen=True, slots=True)
class StopLane:
    """The decision to send no request of this lane any more; the failed attempt was not billed."""

    why: str


Next = Again | Leave | StopRun | StopLane


def after(
    failed: Failed,
    tries: Tries,
    policy: Policy,
    risk: Risk,
    tokens: RetryTokens,
    *,
    price_microusd: int | None,
    now: float,
) -> Next:
    """Return what to do about a failed attempt at a request of that worst-case price."""
    match failed.verdict:
        case Verdict.STOP_RUN:
            return StopRun(failed.message)
        case Verdict.STOP_LANE:
            return StopLane(failed.message)
        case Verdict.REFUSED:
            return Leave(State.REFUSED)
        case Verdict.SPOILED:
            return Leave(State.SPOILED)
        case Verdict.DOUBT:
            return _after_doubt(tries, policy, risk, tokens, price_microusd)
        case Verdict.THROTTLED:
            return _after_throttle(failed, tries, policy, now)
        case Verdict.PASSING | Verdict.OVERLOADED | Verdict.UNCLEAR:
            return _after_unbilled(failed, tries, policy, tokens)


def may_repeat(doubts: int, policy: Policy, risk: Risk, price_microusd: int | None) -> bool:
    """Return whether a request that has been in doubt ``doubts`` times may be sent again unasked: once, within the cap.

    Take nothing of the cap: that is for :meth:`Risk.take`, once the request is surely sent again.
    """
    return policy.retry_doubt and doubts <= 1 and risk.covers(price_microusd)


def download_wait_s(tries: int, *, gone: bool) -> float:
    """Return the wait before the next try at a free download: full jitter, or steady steps for what is not there."""
    if gone:
        return min(LONGEST_GONE_WAIT_S, 2.0 ** (tries - 1))
    return max(SHORTEST_WAIT_S, _backoff(_state(tries)))


def _after_doubt(tries: Tries, policy: Policy, risk: Risk, tokens: RetryTokens, price_microusd: int | None) -> Next:
    seen = replace(tries, doubts=tries.doubts + 1)
    if not (may_repeat(seen.doubts, policy, risk, price_microusd) and tokens.take() and risk.take(price_microusd)):
        return Leave(State.DOUBT)
    return Again(_backoff(_state(seen.doubts)), seen)


def _after_throttle(failed: Failed, tries: Tries, policy: Policy, now: float) -> Next:
    since = now if tries.throttled_since is None else tries.throttled_since
    asked = failed.retry_after_s
    if asked is not None and asked > policy.max_wait_s:
        return StopRun(f"the service asks to wait {asked:,.0f} s, longer than the {policy.max_wait_s:,.0f} s allowed")
    if now - since > THROTTLED_FOR_S:
        return Leave(State.WAITING)
    throttles = tries.throttles + 1
    wait_s = _spread(asked) if asked is not None else _backoff(_state(throttles))
    return Again(wait_s, replace(tries, throttled_since=since, throttles=throttles))


def _after_unbilled(failed: Failed, tries: Tries, policy: Policy, tokens: RetryTokens) -> Next:
    seen = replace(tries, unbilled=tries.unbilled + 1)
    stop = _unclear_stop if failed.verdict is Verdict.UNCLEAR else stop_after_attempt(policy.attempts)
    state = _state(seen.unbilled)
    if stop(state):
        return Leave(State.REFUSED if failed.verdict is Verdict.UNCLEAR else State.WAITING)
    asked = failed.retry_after_s
    if asked is not None and asked > policy.max_wait_s:
        return StopRun(f"the service asks to wait {asked:,.0f} s, longer than the {policy.max_wait_s:,.0f} s allowed")
    if not tokens.take():
        return Leave(State.WAITING)
    return Again(_spread(asked) if asked is not None else _backoff(state), seen)


def _spread(asked_s: float) -> float:
    # Never sooner than told, and not all at the same moment.
    return asked_s + random.uniform(0, 0.1 * asked_s + 0.5)  # noqa: S311 - jitter, not a secret


def _state(attempt: int) -> RetryCallState:
    """Return what tenacity knows of a request that has failed ``attempt`` times."""
    state = RetryCallState(_retrying, None, (), {})
    state.attempt_number = attempt
    return state


_retrying = Retrying()
