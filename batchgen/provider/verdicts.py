"""What an answer without a picture means for the money: tables, one for each kind of provider, read from the top.

Nothing is called unbilled without proof. Proof is: never connected, not wholly sent (both are no answers), a status by
which a service refuses before it works, or words of a service that is known to refund.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from batchgen.provider.error_text import Saying
from batchgen.provider.interface import Verdict


@dataclass(frozen=True, slots=True)
class Rule:
    """A line of a table: answers of these ``statuses`` with these ``words`` mean ``verdict``.

    ``words`` is a regular expression, searched in message, type and code, of any case; in a page only for rules
    ``of_pages``. ``own_error``: only if the service itself states an error as JSON, or only if it does not.
    ``states_wait``: only if a header says how long to wait. ``source`` says how we know.
    """

    verdict: Verdict
    reason: str
    statuses: str
    source: str
    words: str | None = None
    own_error: bool | None = None
    states_wait: bool = False
    of_pages: bool = False
    maybe_billed: bool = False
    _pattern: re.Pattern[str] | None = field(init=False, repr=False, compare=False)
    _statuses: frozenset[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pattern", re.compile(self.words, re.IGNORECASE) if self.words else None)
        object.__setattr__(self, "_statuses", frozenset(_numbers(self.statuses)))

    def fits(self, status: int, said: Saying, *, states_wait: bool) -> bool:
        """Return whether the rule speaks of such an answer."""
        if status not in self._statuses or (self.states_wait and not states_wait):
            return False
        if self.own_error is not None and self.own_error != said.is_error:
            return False
        if self._pattern is None:
            return True
        return (
            not (said.is_markup and not self.of_pages) and self._pattern.search(f"{said.kind} {said.words}") is not None
        )


def _numbers(statuses: str) -> set[int]:
    """Return the statuses of ``any``, ``4xx``, ``200`` and several of them, separated by blanks."""
    found: set[int] = set()
    for one in statuses.split():
        if one == "any":
            found |= set(range(100, 1000))
        elif one.endswith("xx"):
            found |= set(range(int(one[0]) * 100, int(one[0]) * 100 + 100))
        else:
            found.add(int(one))
    return found


def _one_of(*patterns: str) -> str:
    return "|".join(patterns)


_MODERATION = _one_of(
    r"moderat|content[ _-]?(polic|filter|violat|management)|contentfilter|flagged|safety|violat|prohibited|nsfw",
    r"sensitive|inappropriate|usage guidelines|responsibleai|blocked by|blocklist|copyright|recitation",
)
_GATEWAY = _one_of(
    r"time[ds]?[ -]?out|timeout|\breset\b|hang ?up|upstream|terminat|econn|socket|broken pipe|bad ?gateway",
    r"connection (error|closed|lost|aborted)|disconnect|fetch failed|eof\b",
)
# Refusals quote prompts, and a prompt may speak of a daily paper or a billing clerk: a word of limits goes with it.
_DAILY = _one_of(
    r"(limit|quota|request|image|exceed|reached|used)\w*\b.{0,80}\b(per|a|each)[ _]day\b|per_?day\b|\brpd\b",
    r"\bdaily (free |request |image |usage |generation )*(limit|quota|cap|allowance|budget)",
)
_ACCOUNT = _one_of(
    r"insufficient[ _-]?(credit|balance|quota|fund)|out of (credit|fund|money)|exceeded your current quota",
    r"\btop[ -]?up\b|payment[ _]required|deposit[ _]required|payment (is )?overdue|(is|in) arrears",
    r"billing[ _](hard|soft|limit|not|details|issue|error|period|quota)|(plan and|check your) billing",
    r"spending (limit|cap)|usage limit|credit (limit|balance)|monthly (limit|quota|budget)",
    r"(any|more|all available|enough|no) credits|credits? (has|have|is|are) (been )?(used|exhausted|depleted)",
    r"account (is |has been |was )?(not active|inactive|suspended|deactivated|disabled|blocked|banned)",
    r"budget (has been )?exceeded|exceeded (your |the )?budget",
)
_KEY = _one_of(
    r"invalid[ _-]?api[ _-]?key|invalid[ _]authentication|unauthenticated",
    r"(incorrect|invalid|wrong|unknown|missing|expired|revoked|disabled) (api |access )?(key|token)\b",
    r"api[ _]?key (not valid|is invalid|expired|not found|revoked|disabled)",
)
_MODEL = _one_of(
    r"model[ _-]?not[ _-]?found|unknown[ _]model|invalid model|no such model|deploymentnotfound",
    r"model .{0,80}(does not|doesn't|not) exist|verified to use the model|not have access to (the )?model",
    r"model .{0,80}(not found|deprecat|retired|decommission|no longer|not available|is unavailable|disabled)",
)


def _of_errors(verdict: Verdict, reason: str, statuses: str, *, source: str, words: str) -> tuple[Rule, Rule]:
    """Return a rule for refusals in any form, and one for errors that come with a success."""
    return (
        Rule(verdict, reason, statuses, source=source, words=words),
        Rule(verdict, reason, "2xx", source=source, words=words, own_error=True),
    )


# Before everything else, whoever answers.
_FIRST = (
    Rule(
        *(Verdict.DOUBT, "booking_failed", "any"),
        source="ImageRouter's server: it could not book the charge, or its return",
        words=r"(postlog|refund)\w* usage",
    ),
    *_of_errors(
        *(Verdict.STOP_LANE, "daily_limit", "4xx 503"),
        source="quotas of a day: ImageRouter's free models, Gemini's requests per day",
        words=_DAILY,
    ),
    *_of_errors(
        *(Verdict.STOP_RUN, "insufficient_credits", "4xx 5xx"),
        source="OpenAI insufficient_quota, billing_hard_limit_reached, billing_not_active; xAI 403; LiteLLM budgets",
        words=_ACCOUNT,
    ),
    *_of_errors(
        *(Verdict.STOP_RUN, "key_rejected", "4xx"),
        source="OpenAI invalid_api_key and its look-alikes",
        words=_KEY,
    ),
    Rule(
        *(Verdict.STOP_LANE, "model_unavailable", "2xx 4xx"),
        source="OpenAI model_not_found, deprecations, organizations to be verified; Azure DeploymentNotFound",
        words=_MODEL,
        own_error=True,
    ),
)

_UNBILLED_4XX = "400 403 404 405 406 407 410 411 412 413 414 415 416 417 421 422 426 428 431 451"

# After the words of a service: what a status alone proves.
_LAST = (
    Rule(*(Verdict.REFUSED, "moderation", "4xx"), source="the words of a content filter", words=_MODERATION),
    Rule(
        *(Verdict.REFUSED, "moderation", "2xx 5xx"),
        source="the words of a content filter in place of a picture",
        words=_MODERATION,
        maybe_billed=True,
    ),
    Rule(*(Verdict.STOP_RUN, "key_rejected", "401"), source="RFC 9110, 15.5.2: no valid credentials"),
    Rule(*(Verdict.STOP_RUN, "insufficient_credits", "402"), source="RFC 9110, 15.5.3"),
    Rule(
        *(Verdict.REFUSED, "invalid_request", _UNBILLED_4XX),
        source="RFC 9110, 15.5: the client's error; the service's own words",
        words=r"invalid|must be|too long|not (support|allow|available)|unsupported|does not exist|not found",
        own_error=True,
    ),
    Rule(
        *(Verdict.STOP_RUN, "wrong_base_url", "404"),
        source="nothing answers at this address",
        own_error=False,
    ),
    Rule(
        *(Verdict.REFUSED, "http_{status}", _UNBILLED_4XX),
        source="RFC 9110, 15.5: the service refuses before it works",
    ),
    Rule(*(Verdict.THROTTLED, "rate_limit", "429"), source="RFC 6585, 4: not worked on"),
    Rule(*(Verdict.PASSING, "http_{status}", "409"), source="RFC 9110, 15.5.10; to a repeated doubt it is a doubt"),
    Rule(*(Verdict.PASSING, "http_{status}", "425"), source="RFC 8470, 5.2: not worked on"),
    Rule(
        *(Verdict.PASSING, "never_reached", "503"),
        source="Envoy's response flags UH and UF: no upstream connection was made",
        words=r"no healthy upstream|reset reason: (remote )?connection failure",
        of_pages=True,
    ),
    Rule(
        *(Verdict.DOUBT, "http_{status}", "4xx 5xx"),
        source="a gateway's words: the service behind it may have worked",
        words=_GATEWAY,
        of_pages=True,
    ),
    Rule(
        *(Verdict.OVERLOADED, "overloaded", "503 529"),
        source="RFC 9110, 15.6.4: with Retry-After it turns away before it works",
        states_wait=True,
    ),
    Rule(*(Verdict.DOUBT, "http_{status}", "4xx 5xx"), source="nothing proves that it was not billed"),
    Rule(*(Verdict.STOP_RUN, "redirect", "3xx"), source="a paid post is never redirected: check base_url"),
    Rule(
        *(Verdict.REFUSED, "refused", "2xx"),
        source="a model's own words in place of a picture",
        words=r"\b(sorry|i|we) .{0,20}(can'?t|cannot|can not|unable|won'?t)\b|\bunable to (create|generate)|\brefus",
        maybe_billed=True,
    ),
    Rule(*(Verdict.SPOILED, "no_picture", "any"), source="an answer in which no reader of ours finds a picture"),
)

# ImageRouter states failures as 200 and under documented statuses, and refunds each: docs and server of 2026-02.
_REFUNDS = "200 400 401 403 404 429 500"
_REFUND = "ImageRouter refunds a failed request"


def _refunded(verdict: Verdict, reason: str, words: str, statuses: str = _REFUNDS) -> Rule:
    return Rule(verdict, reason, statuses, source=_REFUND, words=words, own_error=True)


_IMAGEROUTER = (
    Rule(
        *(Verdict.DOUBT, "timeout_error", "200 500"),
        source="ImageRouter's server: its supplier may have worked",
        words=r"^timeout_error\b",
        own_error=True,
    ),
    Rule(
        *(Verdict.DOUBT, "http_{status}", "500"),
        source="words of a lost connection under a failing status: its supplier may have worked",
        words=_GATEWAY,
    ),
    _refunded(Verdict.THROTTLED, "rate_limit", r"rate[ _-]?limit|too many requests|\b429\b", "200 429"),
    # Node's codes of a failed connection.
    _refunded(
        Verdict.PASSING, "provider_error", r"\be(conn(refused|reset|aborted)|timedout|notfound|ai_again|pipe)\b", "200"
    ),
    _refunded(
        Verdict.OVERLOADED, "overloaded", r"overloaded|high demand|capacity|service unavailable|temporarily", "200"
    ),
    _refunded(Verdict.REFUSED, "moderation", _MODERATION + "|refus", "200 400 403"),
    _refunded(
        *(Verdict.REFUSED, "invalid_request"),
        words=r"not support|unsupported|not available|is invalid|invalid (value|size|quality|model|parameter|request)"
        r"|must be|too long|does not exist|not found|not allowed",
        statuses="200",
    ),
    _refunded(
        *(Verdict.PASSING, "provider_error"),
        words=r"try again|time(d )?-?out|internal error|unknown error|not valid json|fetch failed|hang up",
        statuses="200",
    ),
    _refunded(Verdict.REFUSED, "invalid_request", r"invalid_request_error", "200"),
    _refunded(Verdict.UNCLEAR, "unknown_error", r"\binternal_error\b", "500"),
    _refunded(Verdict.UNCLEAR, "unknown_error", "", "200"),
)

# No words of OpenAI's own are known to prove that a failure was not billed: its 5xx stay in doubt.
TABLES = {
    "imagerouter": (*_FIRST, *_IMAGEROUTER, *_LAST),
    "openai": (*_FIRST, *_LAST),
}


def rule_for(kind: str, status: int, said: Saying, *, states_wait: bool) -> Rule:
    """Return the first rule of a provider's table that speaks of such an answer; the last one speaks of all."""
    return next(rule for rule in TABLES[kind] if rule.fits(status, said, states_wait=states_wait))


def as_markdown(kind: str) -> str:
    """Return a provider's table as the document shows it; its rules are tried from the top."""
    lines = ["| status | if | verdict | class | how we know |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| {rule.statuses} | {_condition(rule)} | {_meaning(rule)} | `{rule.reason}` | {rule.source} |"
        for rule in TABLES[kind]
    ]
    return "\n".join(lines)


def _condition(rule: Rule) -> str:
    said = [f"the words `{_escaped(rule.words)}`"] if rule.words else []
    said += ["the service states an error as JSON"] if rule.own_error else []
    said += ["no error as JSON"] if rule.own_error is False else []
    said += ["a header says how long to wait"] if rule.states_wait else []
    return ", ".join(said) or "always"


def _escaped(words: str) -> str:
    return words.replace("|", "\\|")


def _meaning(rule: Rule) -> str:
    return f"{rule.verdict}, maybe billed" if rule.maybe_billed else str(rule.verdict)
