"""Every problem that a caller can meet: code, status, title, what it means, what to do. One table, nothing beside."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem. `meaning` says what happened, `remedy` what a caller can do about it."""

    status: int
    title: str
    meaning: str
    remedy: str


CORRECT = "Correct the request. Sent again as it is, it will be refused again."

KINDS: dict[str, Kind] = {
    "player-elsewhere": Kind(
        308,
        "Player elsewhere",
        "The player lives in the region `region`. Nothing was done here.",
        "Send the same call to `Location`, with the same method and body, and that region's key. Remember the region.",
    ),
    "bad-request": Kind(400, "Bad request", "The request is none that this server takes.", CORRECT),
    "malformed-json": Kind(
        400,
        "Malformed JSON",
        "The body is not one JSON text (RFC 8259) in UTF-8, or it is nested too deeply, or there is none.",
        "Send one JSON object with a `Content-Length`. `detail` says where reading stopped.",
    ),
    "duplicate-key": Kind(
        400,
        "Duplicate key",
        "A JSON object names the same key twice, so that it does not say which value is meant.",
        "Name each key once; `key` is the one that came twice.",
    ),
    "invalid-cursor": Kind(
        400,
        "Invalid cursor",
        "The cursor was not given out for this list.",
        "Start again without a cursor, and take `next_cursor` or the `Link` of each answer as it is.",
    ),
    "unknown-parameter": Kind(
        400,
        "Unknown parameter",
        "The query has a parameter that this call does not know.",
        "Leave out `parameter`, or correct its spelling.",
    ),
    "not-authenticated": Kind(
        401,
        "Not authenticated",
        "The call has no credential, or none that is valid here.",
        "Send `Authorization: Bearer` and a game's key or a player's token. A key belongs to one environment.",
    ),
    "credential-expired": Kind(
        401,
        "Credential expired",
        "The credential was valid once; it has expired or was revoked.",
        "Use the successor of the key, or get a new player token.",
    ),
    "scope-missing": Kind(
        403,
        "Scope missing",
        "The key is valid, but lacks the scope that this call needs.",
        "Use a key that has `scope`, or ask for one.",
    ),
    "players-never-grant": Kind(
        403,
        "Players never grant",
        "A player's own token reads that player's data and writes nothing.",
        "Let the game's server make this call, with its key. Never put that key into a client.",
    ),
    "forbidden": Kind(
        403,
        "Forbidden",
        "The credential is valid, but this call is not open to its kind of caller.",
        "Use another kind of credential. Staff write in the back-office.",
    ),
    "not-found": Kind(
        404,
        "Not found",
        "Nothing is at this address.",
        "Check the address. Ids in addresses are UUIDs in lower case, and there is no slash at the end.",
    ),
    "player-not-found": Kind(
        404,
        "Player not found",
        "There is no such player, or it is not the caller's to see.",
        "Register the player first: `PUT /v1/players/{player_id}`.",
    ),
    "win-not-found": Kind(
        404,
        "Win not found",
        "There is no such win, or it is not the caller's to see.",
        "Check the id. Each game sees its own wins.",
    ),
    "method-not-allowed": Kind(
        405, "Method not allowed", "The address exists, but not with this method.", "Use a method that `Allow` names."
    ),
    "not-acceptable": Kind(
        406,
        "Not acceptable",
        "Answers are `application/json` and problems `application/problem+json`; `Accept` rules both out.",
        "Send `Accept: application/json`, or no `Accept`.",
    ),
    "reference-reused": Kind(
        409,
        "Reference reused",
        "The reference names a win of this player with another content. That win stands as it is.",
        "Give every win a reference of its own. To correct the win `win_id`, void it and report a new one.",
    ),
    "already-voided": Kind(
        409,
        "Already voided",
        "The win was taken back before, for another reason.",
        "Nothing is left to do: the win is void. The same reason again would answer 200.",
    ),
    "player-closed": Kind(
        409,
        "Player closed",
        "The player's account is closed and stays closed.",
        "Report nothing more for this player.",
    ),
    "player-moving": Kind(
        409,
        "Player moving",
        "The player is on the way to the region `region`; it takes until the wins at hand are converted.",
        "Keep the win and send it again every few minutes: soon the answer says where to.",
    ),
    "body-too-large": Kind(
        413,
        "Body too large",
        "The body has more bytes than this call takes (`limit_bytes`). It was not read.",
        "Send less at once: a batch takes up to 1,000 wins.",
    ),
    "unsupported-media-type": Kind(
        415,
        "Unsupported media type",
        "Bodies are `application/json` in UTF-8, not compressed.",
        "Send `Content-Type: application/json` and no `Content-Encoding`.",
    ),
    "misdirected": Kind(
        421,
        "Misdirected",
        "The player does not live in this region, and the call has been redirected here already.",
        "Start again at the region where the player was registered; if it comes back to this, tell us.",
    ),
    "invalid": Kind(
        422,
        "Invalid",
        "The request is well-formed, but a value is not.",
        "Correct what `errors` points at; it lists everything that is wrong.",
    ),
    "invalid-amount": Kind(
        422,
        "Invalid amount",
        "An amount is a decimal string: `^(0|[1-9][0-9]{0,19})(\\.[0-9]{1,18})?$`, and more than zero. Never a number.",
        "Send it as a string such as `1.25`, with up to 18 decimals. It is never rounded.",
    ),
    "invalid-time": Kind(
        422,
        "Invalid time",
        "A time is an RFC 3339 date-time with an explicit offset, to the microsecond; a day is `YYYY-MM-DD`.",
        "Send it like `2026-11-20T10:00:00.123Z`.",
    ),
    "daily-cap-exceeded": Kind(
        422,
        "Daily cap exceeded",
        "The win would exceed what the player may win on that day; where the game clips, nothing is left to credit."
        " Nothing was recorded.",
        "Do not retry: sooner than `resets_at` it changes nothing. Until then a win of up to `remaining` would fit.",
    ),
    "won-at-in-future": Kind(
        422,
        "Won in the future",
        "The win lies further ahead than a game's clock may be.",
        "Set the server's clock by NTP, and send the time at which the win happened.",
    ),
    "won-at-too-old": Kind(
        422,
        "Won too long ago",
        "The win is reported later than wins are taken.",
        "Report wins as they happen. Ask finance about one that was missed.",
    ),
    "player-suspended": Kind(
        422,
        "Player suspended",
        "The player is suspended and wins nothing for now.",
        "Keep the win if the game wants to report it later, within the time in which wins are taken.",
    ),
    "rate-limited": Kind(
        429,
        "Rate limited",
        "Too many calls with this credential. `RateLimit` and `RateLimit-Policy` tell the limits.",
        "Wait for `Retry-After` seconds and send the same call again. Many wins go into one batch.",
    ),
    "internal-error": Kind(
        500,
        "Internal error",
        "The fault is ours. It is not known whether the call was carried out.",
        "Send the same call again later: the same reference is never recorded twice. Tell us the `request_id`.",
    ),
    "unavailable": Kind(
        503,
        "Unavailable",
        "The service cannot answer just now.",
        "Send the same call again after `Retry-After` seconds: it is safe to repeat.",
    ),
}
