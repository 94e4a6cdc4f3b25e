"""What the columns of the back-office's own tables are (dreamland.lib.data_map)."""

from dreamland.lib.data_map import DataClass, Table

PERSON, PSEUDONYM, OPERATIONAL, LEDGER = DataClass.PERSON, DataClass.PSEUDONYM, DataClass.OPERATIONAL, DataClass.LEDGER

TABLES: dict[str, Table] = {
    # An export holds what its list shows, and the query a player that was searched for. Both end at expires_at.
    "backoffice_export": {
        PSEUDONYM: "asked_by_id",
        PERSON: "query",
        OPERATIONAL: "id what file_format asked_at state started_at finished_at expires_at rows problem",
    },
    "backoffice_exportpart": {PERSON: "content", OPERATIONAL: "id number export_id"},
    "backoffice_taskfailure": {OPERATIONAL: "id at task task_id problem place"},
}
NO_PERSON = {
    "a word that our code writes": "backoffice_export.what backoffice_taskfailure.task backoffice_taskfailure.task_id"
    " backoffice_taskfailure.place",
    "the type of an error, without its message": "backoffice_export.problem backoffice_taskfailure.problem",
}

OF_OTHERS = {
    "staff": "backoffice_export",
    "a copy of lists without personal data, for a day": "backoffice_exportpart",
}
