"""Pages about runs, rates, fees and conversions. Nothing here writes."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from conversion import oversight
from conversion.models import (
    Conversion,
    ConversionRun,
    FeeRule,
    FeeSettlement,
    Rate,
    VoidedConversion,
)
from conversion.quotes import HOUR
from dreamland.lib.columns import BAD, GOOD, NEWS, REQUEST_COLOURS, WAITS, page_address
from dreamland.lib.pages import Block, Facts, Label, Link, Notice, Table
from ledger import book
from rewards.models import Win

REQUESTS_SHOWN = 20
RUN_COLOURS = {"done": GOOD, "running": NEWS, "due": NEWS, "awaiting_rate": WAITS, "rate_quarantined": BAD}
RATE_COLOURS = {"accepted": GOOD, "refused": WAITS, "quarantined": BAD}
WHY = {
    "busy": "somebody holds a player's rows; the next tick goes on",
    "books-refuse": "a player's books do not add up: run verify_books",
    "does-not-add-up": "the journal does not hold exactly the run's lines: look at once",
    "jump": "the rate jumped: two people decide",
    "fetch-limit": "too many hours without a rate at once; the next tick asks for more",
    "no-fee-rule": "no fee rule was in force at that hour",
    "unreachable": "the rate API could not be reached",
    "timeout": "the rate API was too slow",
}


def hour_text(hour: Any) -> str:
    """An hour as its two ends, in UTC."""
    return f"{hour:%Y-%m-%d %H:%M} to {hour + HOUR:%H:%M} UTC"


def why(reason: str) -> str:
    """A reason in words, with its code."""
    return f"{WHY[reason]} ({reason})" if reason in WHY else reason


def run_blocks(run: ConversionRun) -> list[Block]:
    """Where a run is, what it has converted, who is left, and every step of its life."""
    progress = oversight.run_progress(run.hour)
    done = run.state == ConversionRun.State.DONE
    blocks: list[Block] = []
    if not done and run.reason:
        blocks.append(Notice(f"This hour waits: {why(run.reason)}.", "warning"))
    blocks += [
        Facts(
            [
                ("Hour", hour_text(run.hour)),
                ("State", Label(run.state, RUN_COLOURS[run.state])),
                ("Waits for the rate of", hour_text(run.waits_for) if run.waits_for else None),
                ("Latest attempt", run.started_at),
                ("Finished", run.finished_at),
            ]
        ),
        Facts(
            [
                ("Conversions", run.conversions if done else progress.conversions),
                ("Tokens, DREAM", run.tokens if done else progress.tokens),
                ("Worth, USD", run.usd if done else progress.usd),
                ("Fees, USD", run.fees),
                ("Players with wins of this hour left", progress.players_left),
            ],
            title="Progress",
        ),
        Table(
            title="Life of the run",
            headers=["When", "From", "To", "Cause", "By"],
            rows=[
                [
                    step.at,
                    step.from_state or "-",
                    Label(step.to_state, RUN_COLOURS.get(step.to_state, "")),
                    step.cause,
                    step.by_role,
                ]
                for step in oversight.run_transitions(run.hour)
            ],
        ),
    ]
    return blocks


def rate_blocks(rate: Rate) -> list[Block]:
    """What a provider answered, what was made of it, who asked that it pass and who decided."""
    asked = book.requests(kind="quarantined-rate", subject=str(rate.pk), limit=REQUESTS_SHOWN)
    before = (
        Rate.objects.filter(state=Rate.State.ACCEPTED, hour__lt=rate.hour)
        .order_by("-hour")
        .values_list("price", flat=True)
        .first()
    )
    blocks: list[Block] = []
    if rate.state == Rate.State.QUARANTINED:
        accepted = Rate.objects.filter(state=Rate.State.ACCEPTED, hour=rate.hour).exists()
        blocks.append(
            Notice("Its hour has an accepted rate by now.", "success")
            if accepted
            else Notice("This rate is held back. One person asks that it pass, another one decides.", "danger")
        )
    blocks += [
        Facts(
            [
                ("Hour", hour_text(rate.hour)),
                ("Price, USD for 1 DREAM", rate.price),
                ("Accepted price before, USD", before),
                ("State", Label(rate.state, RATE_COLOURS[rate.state])),
                ("Reason", rate.reason),
                ("Provider", rate.provider),
                ("Could not be reached before", rate.failed_before),
                ("Quoted at", rate.quoted_at),
                ("Fetched at", rate.fetched_at),
                (
                    "Lets pass",
                    Link(rate.decides_id, page_address("conversion_rate", rate.decides_id))
                    if rate.decides_id
                    else None,
                ),
            ]
        ),
        Facts([("Word for word", rate.raw)], title="Answer"),
        Table(
            title="Asked and decided",
            headers=["Asked at", "By", "Reference", "State", "By ", "Word"],
            rows=[_asked(each) for each in asked],
            empty="Nobody has asked that this rate pass.",
        ),
    ]
    return blocks


def _asked(told: book.Request) -> list[Any]:
    asked = Link(told.asked_at, page_address("ledger_approvalrequest", told.id))
    return [asked, told.asker, told.reference, Label(told.state, REQUEST_COLOURS[told.state]), told.decider, told.word]


def conversion_blocks(line: Conversion) -> list[Block]:
    """A conversion: tokens at a rate, the fee that is ours, and the wins in it."""
    rate = Rate.objects.get(pk=line.rate_id)
    run = ConversionRun.objects.get(pk=line.run_id)
    wins = Win.objects.filter(player=line.player_id, converted_by=line.pk).select_related("game").order_by("entry")
    return [
        Facts(
            [
                ("Tokens, DREAM", line.tokens),
                ("Rate, USD for 1 DREAM", Link(rate.price, page_address("conversion_rate", rate.pk))),
                ("Worth, USD", line.usd),
                ("Of it paid a debt, USD", line.recovered or None),
                ("Fee, USD; borne by Dreamland", Link(line.fee, page_address("conversion_feerule", line.fee_rule_id))),
                ("Player", Link(line.player_id, page_address("rewards_player", line.player_id))),
                ("Won in the hour", hour_text(line.hour)),
                ("Day of the player", line.day),
                ("Run", Link(hour_text(run.hour), page_address("conversion_conversionrun", run.pk))),
                ("Converted at", line.converted_at),
                ("Journal entry", Link(line.pk, page_address("ledger_journalentry", line.pk))),
            ]
        ),
        Table(
            title="Wins in it",
            headers=["Won at", "Win", "Game", "Reference", "DREAM"],
            numbers=["DREAM"],
            rows=[
                [
                    win.won_at,
                    Link(win.pk, page_address("rewards_win", win.pk)),
                    win.game.slug,
                    win.reference,
                    win.amount,
                ]
                for win in wins
            ],
            totals=["", "", "", "In all", line.tokens],
        ),
    ]


def behind_entry(entry_id: UUID, holder: UUID) -> Iterator[tuple[str, Any]]:
    """The conversion, its voided share or the settlement that an entry is (dreamland.lib.pages.register_behind)."""
    line = Conversion.objects.filter(pk=entry_id).first()
    if line:
        text = f"{line.tokens.normalize():f} DREAM = {line.usd.normalize():f} USD"
        yield "Conversion", Link(text, page_address("conversion_conversion", line.pk))
        yield "Won in the hour", hour_text(line.hour)
    voided = VoidedConversion.objects.filter(pk=entry_id).first()
    if voided:
        yield (
            "Takes back of conversion",
            Link(voided.conversion_id, page_address("conversion_conversion", voided.conversion_id)),
        )
        yield "Because this win was voided", Link(voided.win_id, page_address("rewards_win", voided.win_id))
    settlement = FeeSettlement.objects.filter(pk=entry_id).first()
    if settlement:
        yield "Payment of fees", Link(settlement.reference, page_address("conversion_feesettlement", settlement.pk))


def fee_rule_blocks(rule: FeeRule) -> list[Block]:
    """A fee rule, the time it holds, and what a conversion of a dollar costs by it."""
    ends = FeeRule.objects.filter(effective_from__gt=rule.effective_from).order_by("effective_from").first()
    return [
        Facts(
            [
                ("Holds from", rule.effective_from),
                ("Until", ends.effective_from if ends else "the next rule"),
                ("Provider", rule.provider),
                ("Share of the USD", rule.percentage),
                ("Fixed, USD", rule.fixed),
                ("At least, USD", rule.minimum),
                ("A conversion of 1 USD costs", max(rule.percentage + rule.fixed, rule.minimum)),
                (
                    "Came by",
                    Link("the request of two people", page_address("ledger_approvalrequest", rule.request_id))
                    if rule.request_id
                    else None,
                ),
            ]
        )
    ]
