-- Makes the database role of the dashboard's API, with the rights that it needs
-- and no others: it reads what failpat has counted and the names and scores of
-- the platform, and writes fixes, their ratings, and the platform's notes on
-- them. Run it by psql, as failpat's owner or a superuser, after the sources have
-- been attached; running it again grants what has become necessary since.
--
--   psql -v password="$PASSWORD" -f role.sql DATABASE
--
-- role      its name, failpat_dashboard where it is not set
-- password  its password, none where it is not set: then pg_hba.conf must let it in otherwise
\set ON_ERROR_STOP 1
\if :{?role}
\else
\set role failpat_dashboard
\endif
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'failpat') THEN
        RAISE 'this database has no extension failpat' USING HINT = 'CREATE EXTENSION failpat, and attach a source.';
    END IF;
END $$;
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') AS missing,
       (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'failpat') AS home \gset
\if :missing
CREATE ROLE :"role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT CONNECTION LIMIT 20;
\endif
\if :{?password}
ALTER ROLE :"role" PASSWORD :'password';
\endif

BEGIN;
GRANT USAGE ON SCHEMA :home TO :"role";
SET LOCAL search_path = :home;

-- What was learnt is readable by everyone; what it was learnt from is not.
GRANT SELECT ON fp_observations, fp_cubes, fp_margins, fp_spans, fp_dirty, fp_pending, fp_missed, fp_events, fp_told_changes TO :"role";
GRANT EXECUTE ON FUNCTION fp_api_heatmap, fp_api_trends, fp_api_dimensions, fp_api_values, fp_api_cells, fp_api_observations,
    fp_api_trend, fp_api_changes, fp_api_events, fp_api_explanation, fp_api_status TO :"role";

-- Fixes.
GRANT INSERT (pattern_id, fix_description, fix_parameters, effectiveness, reported_by_id), UPDATE (effectiveness) ON pattern_fixes TO :"role";
GRANT USAGE ON SEQUENCE pattern_fixes_id_seq TO :"role";
GRANT EXECUTE ON FUNCTION fp_record_fix, fp_rate_fix, fp_api_record_fix, fp_api_rate_fix TO :"role";

-- Of the platform: names, scores, and notes on assets (PRD-17).
SELECT DISTINCT format('GRANT USAGE ON SCHEMA %I TO %I', n.nspname, :'role'),
       format('GRANT SELECT (%I, %I) ON %s TO %I', d.label_key, d.label_column, d.label_table, :'role')
FROM fp_dimensions d JOIN pg_class c ON c.oid = d.label_table JOIN pg_namespace n ON n.oid = c.relnamespace \gexec
SELECT format('GRANT SELECT (id, segment_id, check_type, score) ON %s TO %I', q, :'role')
FROM fp_sources s CROSS JOIN LATERAL fp_scores_table(s.source) q WHERE q IS NOT NULL \gexec
SELECT DISTINCT format('GRANT SELECT (id), INSERT (asset_id, related_asset_id, note_text, severity, author_id) ON %s TO %I', notes.t, :'role'),
       format('GRANT USAGE ON SEQUENCE %s TO %I', pg_get_serial_sequence(notes.t::text, 'id'), :'role')
FROM fp_dimensions d JOIN pg_class c ON c.oid = d.label_table AND c.relname = 'assets' JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (SELECT to_regclass(format('%I.asset_notes', n.nspname)) AS t) notes WHERE notes.t IS NOT NULL \gexec
COMMIT;
