"""What the columns of rates, fees and conversions are (dreamland.lib.data_map)."""

from dreamland.lib.data_map import DataClass, Table

PERSON, PSEUDONYM, OPERATIONAL = DataClass.PERSON, DataClass.PSEUDONYM, DataClass.OPERATIONAL
LEDGER, REFERENCE = DataClass.LEDGER, DataClass.REFERENCE

TABLES: dict[str, Table] = {
    "conversion_conversion": {
        PSEUDONYM: "player_id",
        LEDGER: "entry_id run_id hour day rate_id fee_rule_id tokens usd fee recovered converted_at",
    },
    "conversion_conversionrun": {
        OPERATIONAL: "id hour state reason waits_for started_at finished_at",
        LEDGER: "conversions tokens usd fees",
    },
    "conversion_difference": {LEDGER: "id statement_id kind line_id conversion_id fee_effect"},
    "conversion_differenceresolution": {LEDGER: "difference_id request_id right entry_id amount resolved_at"},
    "conversion_feerule": {REFERENCE: "id effective_from provider percentage fixed minimum created_at request_id"},
    "conversion_feesettlement": {PSEUDONYM: "posted_by_id", PERSON: "reference", LEDGER: "entry_id amount settled_at"},
    "conversion_providerhealth": {
        OPERATIONAL: "provider last_success_at last_failure_at last_failure_code consecutive_failures latency_ms"
    },
    "conversion_providerstatement": {
        PSEUDONYM: "imported_by_id",
        LEDGER: "id provider reference starts ends lines tokens usd fees digest imported_at transaction",
    },
    "conversion_rate": {
        PSEUDONYM: "decided_by_id",
        PERSON: "reason",
        REFERENCE: "id hour base quote price provider quoted_at fetched_at raw state decides_id failed_before",
    },
    "conversion_runtransition": {OPERATIONAL: "id run_id from_state to_state cause by_role at"},
    "conversion_statementline": {LEDGER: "id statement_id number reference hour tokens usd fee"},
    "conversion_voidedconversion": {
        PSEUDONYM: "player_id",
        LEDGER: "entry_id conversion_id win_id hour day tokens usd owed voided_at",
    },
}
NO_PERSON = {
    "a word that our code writes": "conversion_conversionrun.reason conversion_difference.kind"
    " conversion_rate.failed_before conversion_runtransition.from_state"
    " conversion_runtransition.to_state conversion_runtransition.cause conversion_providerhealth.last_failure_code",
    "a provider of rates, by name": "conversion_feerule.provider conversion_providerhealth.provider"
    " conversion_rate.provider conversion_providerstatement.provider",
    "the provider's own number of a statement": "conversion_providerstatement.reference",
    "the id of a conversion, or what the provider calls one": "conversion_statementline.reference",
    "a digest": "conversion_providerstatement.digest",
    "the name of an asset": "conversion_rate.base conversion_rate.quote",
    "what the rate API answered": "conversion_rate.raw",
    "a database role": "conversion_runtransition.by_role",
}

# What an export tells of a player (dreamland.lib.portability). Nothing that is personal by itself.
OF_PLAYER = dict.fromkeys(["conversion_conversion", "conversion_voidedconversion"], "player_id = %(player)s")
OF_OTHERS = {
    "staff": "conversion_feesettlement conversion_providerstatement conversion_rate",
}
