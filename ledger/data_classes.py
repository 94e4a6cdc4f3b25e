"""What the columns of the books are (dreamland.lib.data_map)."""

from dreamland.lib.data_map import DataClass, Table

PERSON, PSEUDONYM, OPERATIONAL = DataClass.PERSON, DataClass.PSEUDONYM, DataClass.OPERATIONAL
LEDGER, REFERENCE = DataClass.LEDGER, DataClass.REFERENCE

TABLES: dict[str, Table] = {
    "ledger_account": {REFERENCE: "code name asset kind normal_side held"},
    "ledger_anchorhealth": {OPERATIONAL: "anchor holds reached_at failed_at reason failures"},
    "ledger_approvaldecision": {
        PERSON: "word",
        PSEUDONYM: "asked_by_id decided_by_id",
        LEDGER: "request_id verdict decided_at transaction",
    },
    "ledger_approvaloutcome": {LEDGER: "request_id entry_ids result carried_out_at"},
    "ledger_approvalrequest": {
        # People type references and notes, and of a payment the subject is its reference.
        PERSON: "subject reference note",
        PSEUDONYM: "asked_by_id payload plan",
        LEDGER: "id kind attempt is_once ground reason_code asked_at expires_at",
    },
    "ledger_balance": {PSEUDONYM: "holder", LEDGER: "account_id amount movement"},
    "ledger_closedday": {LEDGER: "day entries", OPERATIONAL: "fence closed_at"},
    "ledger_daytotal": {LEDGER: "day account_id debits credits"},
    "ledger_journalentry": {
        # People type memos, and metadata is as open.
        PERSON: "memo metadata",
        PSEUDONYM: "holder posted_by_id",
        LEDGER: "id kind transaction posted_at reverses_id",
    },
    "ledger_periodclose": {PSEUDONYM: "closed_by_id", LEDGER: "id ends_at request_id closed_at"},
    "ledger_posting": {PSEUDONYM: "holder", LEDGER: "id entry_id debit_id credit_id asset amount"},
    "ledger_seal": {LEDGER: "number hash_version starts ends entries digest sealed_at"},
    # A finding names rows: ids, and amounts of theirs.
    "ledger_verificationrun": {PSEUDONYM: "findings", OPERATIONAL: "id mode as_of seconds horizon is_clean"},
}
NO_PERSON = {
    "the chart of accounts, written by migrations": "ledger_account.code ledger_account.name"
    " ledger_account.kind ledger_account.normal_side",
    "a word that our code writes": "ledger_journalentry.kind ledger_approvalrequest.kind"
    " ledger_approvalrequest.reason_code ledger_approvaloutcome.result",
    "a digest": "ledger_seal.digest ledger_approvalrequest.ground",
    "a path that our settings name, and what the system said of it": "ledger_anchorhealth.anchor"
    " ledger_anchorhealth.reason",
}

# What an export tells of a player, and what stays when he is erased (dreamland.lib.portability).
OF_PLAYER = dict.fromkeys(["ledger_balance", "ledger_journalentry", "ledger_posting"], "holder = %(player)s")
LEFT_OUT = {
    "a member of staff": "ledger_journalentry.posted_by_id",
    "PostgreSQL's own number": "ledger_journalentry.transaction",
}
KEPT = {"the journal is sealed: nothing of it can change": "ledger_journalentry.memo ledger_journalentry.metadata"}
OF_OTHERS = {
    "staff": "ledger_periodclose",
    "requests of staff; what came of them in a player's book, an export tells as entries": "ledger_approvaldecision"
    " ledger_approvalrequest",
    "findings about rows of the books; an export tells those rows": "ledger_verificationrun",
}
