-- Every change of configuration and rights leaves its record, whatever road it takes (trail_record_change): the key,
-- the columns whose values are kept from everybody, and those that move by themselves.

CREATE TRIGGER change_is_recorded AFTER INSERT OR UPDATE OR DELETE ON auth_user
    FOR EACH ROW EXECUTE FUNCTION trail_record_change('id', 'password', 'last_login');
CREATE TRIGGER truncate_is_recorded AFTER TRUNCATE ON auth_user
    FOR EACH STATEMENT EXECUTE FUNCTION trail_record_change('id');

CREATE TRIGGER change_is_recorded AFTER INSERT OR UPDATE OR DELETE ON auth_group
    FOR EACH ROW EXECUTE FUNCTION trail_record_change('id', '', '');
CREATE TRIGGER truncate_is_recorded AFTER TRUNCATE ON auth_group
    FOR EACH STATEMENT EXECUTE FUNCTION trail_record_change('id');

CREATE TRIGGER change_is_recorded AFTER INSERT OR UPDATE OR DELETE ON auth_permission
    FOR EACH ROW EXECUTE FUNCTION trail_record_change('id', '', '');
CREATE TRIGGER truncate_is_recorded AFTER TRUNCATE ON auth_permission
    FOR EACH STATEMENT EXECUTE FUNCTION trail_record_change('id');

CREATE TRIGGER change_is_recorded AFTER INSERT OR UPDATE OR DELETE ON auth_user_groups
    FOR EACH ROW EXECUTE FUNCTION trail_record_change('id', '', '');
CREATE TRIGGER truncate_is_recorded AFTER TRUNCATE ON auth_user_groups
    FOR EACH STATEMENT EXECUTE FUNCTION trail_record_change('id');

CREATE TRIGGER change_is_recorded AFTER INSERT OR UPDATE OR DELETE ON auth_group_permissions
    FOR EACH ROW EXECUTE FUNCTION trail_record_change('id', '', '');
CREATE TRIGGER truncate_is_recorded AFTER TRUNCATE ON auth_group_permissions
    FOR EACH STATEMENT EXECUTE FUNCTION trail_record_change('id');

CREATE TRIGGER change_is_recorded AFTER INSERT OR UPDATE OR DELETE ON auth_user_user_permissions
    FOR EACH ROW EXECUTE FUNCTION trail_record_change('id', '', '');
CREATE TRIGGER truncate_is_recorded AFTER TRUNCATE ON auth_user_user_permissions
    FOR EACH STATEMENT EXECUTE FUNCTION trail_record_change('id');

CREATE TRIGGER change_is_recorded AFTER INSERT OR UPDATE OR DELETE ON otp_totp_totpdevice
    FOR EACH ROW EXECUTE FUNCTION trail_record_change('id', 'key',
        'last_t drift throttling_failure_timestamp throttling_failure_count last_used_at');
CREATE TRIGGER truncate_is_recorded AFTER TRUNCATE ON otp_totp_totpdevice
    FOR EACH STATEMENT EXECUTE FUNCTION trail_record_change('id');

CREATE TRIGGER change_is_recorded AFTER INSERT OR UPDATE OR DELETE ON otp_static_staticdevice
    FOR EACH ROW EXECUTE FUNCTION trail_record_change('id', '',
        'throttling_failure_timestamp throttling_failure_count last_used_at');
CREATE TRIGGER truncate_is_recorded AFTER TRUNCATE ON otp_static_staticdevice
    FOR EACH STATEMENT EXECUTE FUNCTION trail_record_change('id');

CREATE TRIGGER change_is_recorded AFTER INSERT OR UPDATE OR DELETE ON otp_static_statictoken
    FOR EACH ROW EXECUTE FUNCTION trail_record_change('id', 'token', '');
CREATE TRIGGER truncate_is_recorded AFTER TRUNCATE ON otp_static_statictoken
    FOR EACH STATEMENT EXECUTE FUNCTION trail_record_change('id');

CREATE TRIGGER change_is_recorded AFTER INSERT OR UPDATE OR DELETE ON rewards_game
    FOR EACH ROW EXECUTE FUNCTION trail_record_change('id', '', '');
CREATE TRIGGER truncate_is_recorded AFTER TRUNCATE ON rewards_game
    FOR EACH STATEMENT EXECUTE FUNCTION trail_record_change('id');

CREATE TRIGGER change_is_recorded AFTER INSERT OR UPDATE OR DELETE ON rewards_gamekey
    FOR EACH ROW EXECUTE FUNCTION trail_record_change('id', 'secret_sha256', 'last_used_at');
CREATE TRIGGER truncate_is_recorded AFTER TRUNCATE ON rewards_gamekey
    FOR EACH STATEMENT EXECUTE FUNCTION trail_record_change('id');

CREATE TRIGGER change_is_recorded AFTER INSERT OR UPDATE OR DELETE ON conversion_feerule
    FOR EACH ROW EXECUTE FUNCTION trail_record_change('id', '', '');
CREATE TRIGGER truncate_is_recorded AFTER TRUNCATE ON conversion_feerule
    FOR EACH STATEMENT EXECUTE FUNCTION trail_record_change('id');

CREATE TRIGGER change_is_recorded AFTER INSERT OR UPDATE OR DELETE ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION trail_record_change('code', '', '');
CREATE TRIGGER truncate_is_recorded AFTER TRUNCATE ON ledger_account
    FOR EACH STATEMENT EXECUTE FUNCTION trail_record_change('code');

CREATE TRIGGER change_is_recorded AFTER INSERT OR UPDATE OR DELETE ON ledger_periodclose
    FOR EACH ROW EXECUTE FUNCTION trail_record_change('id', '', '');
CREATE TRIGGER truncate_is_recorded AFTER TRUNCATE ON ledger_periodclose
    FOR EACH STATEMENT EXECUTE FUNCTION trail_record_change('id');

CREATE TRIGGER change_is_recorded AFTER INSERT OR UPDATE OR DELETE ON django_celery_beat_periodictask
    FOR EACH ROW EXECUTE FUNCTION trail_record_change('id', '',
        'last_run_at total_run_count date_changed');
CREATE TRIGGER truncate_is_recorded AFTER TRUNCATE ON django_celery_beat_periodictask
    FOR EACH STATEMENT EXECUTE FUNCTION trail_record_change('id');

CREATE TRIGGER change_is_recorded AFTER INSERT OR UPDATE OR DELETE ON django_celery_beat_crontabschedule
    FOR EACH ROW EXECUTE FUNCTION trail_record_change('id', '', '');
CREATE TRIGGER truncate_is_recorded AFTER TRUNCATE ON django_celery_beat_crontabschedule
    FOR EACH STATEMENT EXECUTE FUNCTION trail_record_change('id');

CREATE TRIGGER change_is_recorded AFTER INSERT OR UPDATE OR DELETE ON django_celery_beat_intervalschedule
    FOR EACH ROW EXECUTE FUNCTION trail_record_change('id', '', '');
CREATE TRIGGER truncate_is_recorded AFTER TRUNCATE ON django_celery_beat_intervalschedule
    FOR EACH STATEMENT EXECUTE FUNCTION trail_record_change('id');

CREATE TRIGGER change_is_recorded AFTER INSERT OR UPDATE OR DELETE ON django_celery_beat_clockedschedule
    FOR EACH ROW EXECUTE FUNCTION trail_record_change('id', '', '');
CREATE TRIGGER truncate_is_recorded AFTER TRUNCATE ON django_celery_beat_clockedschedule
    FOR EACH STATEMENT EXECUTE FUNCTION trail_record_change('id');

CREATE TRIGGER change_is_recorded AFTER INSERT OR UPDATE OR DELETE ON django_celery_beat_solarschedule
    FOR EACH ROW EXECUTE FUNCTION trail_record_change('id', '', '');
CREATE TRIGGER truncate_is_recorded AFTER TRUNCATE ON django_celery_beat_solarschedule
    FOR EACH STATEMENT EXECUTE FUNCTION trail_record_change('id');
