DROP FUNCTION refuse();
