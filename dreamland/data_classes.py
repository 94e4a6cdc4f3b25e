"""What the columns of other people's apps are (dreamland.lib.data_map): staff, sessions, schedules."""

from dreamland.lib.data_map import DataClass, Table

PERSON, PSEUDONYM, OPERATIONAL = DataClass.PERSON, DataClass.PSEUDONYM, DataClass.OPERATIONAL

TABLES: dict[str, Table] = {
    "auth_user": {
        PSEUDONYM: "id",
        # Members of staff.
        PERSON: "username first_name last_name email password last_login date_joined",
        OPERATIONAL: "is_superuser is_staff is_active",
    },
    "auth_group": {OPERATIONAL: "id name"},
    "auth_group_permissions": {OPERATIONAL: "id group_id permission_id"},
    "auth_permission": {OPERATIONAL: "id name content_type_id codename"},
    "auth_user_groups": {PSEUDONYM: "user_id", OPERATIONAL: "id group_id"},
    "auth_user_user_permissions": {PSEUDONYM: "user_id", OPERATIONAL: "id permission_id"},
    "django_admin_log": {
        PSEUDONYM: "user_id object_id",
        PERSON: "object_repr change_message",
        OPERATIONAL: "id action_time action_flag content_type_id",
    },
    "django_content_type": {OPERATIONAL: "id app_label model"},
    "django_migrations": {OPERATIONAL: "id app name applied"},
    # What proves a member of staff besides the password.
    "otp_static_staticdevice": {
        PSEUDONYM: "user_id",
        PERSON: "name",
        OPERATIONAL: "id confirmed throttling_failure_count throttling_failure_timestamp created_at last_used_at",
    },
    "otp_static_statictoken": {PERSON: "token", OPERATIONAL: "id device_id"},
    "otp_totp_totpdevice": {
        PSEUDONYM: "user_id",
        PERSON: "name key",
        OPERATIONAL: "id confirmed step t0 digits tolerance drift last_t throttling_failure_count"
        " throttling_failure_timestamp created_at last_used_at",
    },
    "django_session": {PERSON: "session_key session_data", OPERATIONAL: "expire_date"},
    "django_celery_beat_clockedschedule": {OPERATIONAL: "id clocked_time"},
    "django_celery_beat_crontabschedule": {
        OPERATIONAL: "id minute hour day_of_week day_of_month month_of_year timezone"
    },
    "django_celery_beat_intervalschedule": {OPERATIONAL: "id every period"},
    "django_celery_beat_periodictask": {
        OPERATIONAL: "id name task args kwargs queue exchange routing_key expires enabled last_run_at total_run_count"
        " date_changed description crontab_id interval_id solar_id one_off start_time priority headers clocked_id"
        " expire_seconds"
    },
    "django_celery_beat_periodictasks": {OPERATIONAL: "ident last_update"},
    "django_celery_beat_solarschedule": {OPERATIONAL: "id event latitude longitude"},
}
NO_PERSON = {
    "a name in the code": "auth_group.name auth_permission.name auth_permission.codename django_content_type.app_label"
    " django_content_type.model django_migrations.app django_migrations.name",
    "a schedule of ours, from the settings": "django_celery_beat_crontabschedule.minute"
    " django_celery_beat_crontabschedule.hour django_celery_beat_crontabschedule.day_of_week"
    " django_celery_beat_crontabschedule.day_of_month django_celery_beat_crontabschedule.month_of_year"
    " django_celery_beat_crontabschedule.timezone django_celery_beat_intervalschedule.period"
    " django_celery_beat_periodictask.name django_celery_beat_periodictask.task django_celery_beat_periodictask.args"
    " django_celery_beat_periodictask.kwargs django_celery_beat_periodictask.queue"
    " django_celery_beat_periodictask.exchange django_celery_beat_periodictask.routing_key"
    " django_celery_beat_periodictask.description django_celery_beat_periodictask.headers"
    " django_celery_beat_solarschedule.event django_celery_beat_solarschedule.latitude"
    " django_celery_beat_solarschedule.longitude",
}

OF_OTHERS = {
    "staff": "auth_user auth_user_groups auth_user_user_permissions django_admin_log django_session"
    " otp_static_staticdevice otp_static_statictoken otp_totp_totpdevice",
}
