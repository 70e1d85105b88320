-- What examples/ci.sql shows.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS failpat CASCADE;
RESET client_min_messages;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
\i examples/ci.sql
DROP TABLE test_runs, test_cube;
