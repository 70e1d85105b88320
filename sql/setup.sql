-- The extension can be created, and everything in it has a comment.
CREATE EXTENSION failpat;
SELECT extversion FROM pg_extension WHERE extname = 'failpat';
