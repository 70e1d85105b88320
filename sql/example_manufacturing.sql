-- What examples/manufacturing.sql shows.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS failpat CASCADE;
RESET client_min_messages;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
\i examples/manufacturing.sql
DROP TABLE parts, part_cube;
