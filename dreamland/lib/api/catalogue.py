"""Every problem that a caller can meet: code, status, title and what it means. One table, and nothing beside it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem. `meaning` says what happened and what a caller can do about it."""

    status: int
    title: str
    meaning: str


KINDS: dict[str, Kind] = {
    "bad-request": Kind(400, "Bad request", "The request is none that this server takes. Correct it before retrying."),
    "malformed-json": Kind(
        400, "Malformed JSON", "The body is not one JSON text (RFC 8259) in UTF-8, or it is nested too deeply."
    ),
    "duplicate-key": Kind(
        400, "Duplicate key", "A JSON object names the same key twice, so that it does not say which value is meant."
    ),
    "invalid-cursor": Kind(
        400, "Invalid cursor", "The cursor was not given out for this list. Start again without a cursor."
    ),
    "unknown-parameter": Kind(400, "Unknown parameter", "The query has a parameter that this call does not know."),
    "not-authenticated": Kind(
        401, "Not authenticated", "The call needs a valid credential: `Authorization: Bearer` and a game key."
    ),
    "credential-expired": Kind(
        401, "Credential expired", "The credential was valid once; it has expired or was revoked. Use a newer one."
    ),
    "scope-missing": Kind(403, "Scope missing", "The credential is valid, but lacks the scope that this call needs."),
    "players-never-grant": Kind(
        403, "Players never grant", "A player's own token reads that player's data and writes nothing."
    ),
    "forbidden": Kind(403, "Forbidden", "The credential is valid, but does not open this call."),
    "not-found": Kind(404, "Not found", "Nothing is at this address. Ids in addresses are UUIDs in lower case."),
    "player-not-found": Kind(404, "Player not found", "There is no such player, or it is not the caller's to see."),
    "win-not-found": Kind(404, "Win not found", "There is no such win, or it is not the caller's to see."),
    "method-not-allowed": Kind(405, "Method not allowed", "The address exists; `Allow` names the methods it takes."),
    "not-acceptable": Kind(
        406, "Not acceptable", "Answers are application/json and problems application/problem+json."
    ),
    "reference-reused": Kind(
        409, "Reference reused", "The reference names a win of this player with another content. That win stands."
    ),
    "already-voided": Kind(409, "Already voided", "The win was taken back before, for another reason."),
    "player-closed": Kind(409, "Player closed", "The player's account is closed and stays closed."),
    "body-too-large": Kind(413, "Body too large", "The body has more bytes than this call takes. Send less at once."),
    "unsupported-media-type": Kind(415, "Unsupported media type", "Bodies are application/json in UTF-8."),
    "invalid": Kind(422, "Invalid", "The request is well-formed, but a value is not. `errors` points at each."),
    "invalid-amount": Kind(
        422,
        "Invalid amount",
        "An amount is a decimal string: ^(0|[1-9][0-9]{0,19})(\\.[0-9]{1,18})?$, and more than zero. Never a number.",
    ),
    "invalid-time": Kind(
        422, "Invalid time", "A time is an RFC 3339 date-time with an explicit offset: 2026-11-20T10:00:00.123Z."
    ),
    "daily-cap-exceeded": Kind(
        422,
        "Daily cap exceeded",
        "The win would exceed what the player may win on that day. Nothing was recorded. `remaining` is what is left"
        " and `resets_at` when the next day begins. Retrying sooner changes nothing.",
    ),
    "won-at-in-future": Kind(422, "Won in the future", "The win lies further ahead than a game's clock may be."),
    "won-at-too-old": Kind(422, "Won too long ago", "The win is reported later than wins are taken."),
    "player-suspended": Kind(422, "Player suspended", "The player is suspended and wins nothing for now."),
    "rate-limited": Kind(429, "Rate limited", "Too many calls. Wait for `Retry-After` seconds."),
    "internal-error": Kind(
        500,
        "Internal error",
        "The fault is ours. Writes are safe to repeat: the same reference is never recorded twice.",
    ),
    "unavailable": Kind(
        503, "Unavailable", "The service cannot answer just now. Repeat the same call after `Retry-After` seconds."
    ),
}
