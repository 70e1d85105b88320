-- The platform's tables (PRD-49) as a source.

CREATE FUNCTION fp_names(items jsonb, VARIADIC keys text[])
    RETURNS text[]
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_names';
COMMENT ON FUNCTION fp_names(jsonb, text[]) IS
    'one name for each object in a JSON array, by the first of the keys that it has ("a@b" joins two), as a sorted set';

CREATE FUNCTION fp_attach_prd49(
    schema text DEFAULT 'public',
    source text DEFAULT 'segments',
    position_base integer DEFAULT 1,
    refresh text DEFAULT 'async',
    bucket interval DEFAULT '1 day',
    bucket_zone text DEFAULT 'UTC',
    window_length interval DEFAULT '90 days',
    history text DEFAULT 'auto',
    capture text DEFAULT 'trigger',
    look_back interval DEFAULT '1 day')
    RETURNS void
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
DECLARE
    home constant text := current_schema();
    view_name constant text := left('fp_source_' || fp_attach_prd49.source, 63);
    cols text[];            -- "table.column" of what there is
    need text;
    person text;            -- avatar or character
    workflow text := 'NULL::bigint';
    track_workflow text;
    config_loras text := 'NULL::text[]';
    loras text;
    model text := 'NULL::text';
    joins text := '';
    triggers jsonb := '{}';
    dims jsonb := '{}';
    s text;                 -- the platform's schema, quoted
    keeper name;            -- who owns the platform's tables
    closed text;
BEGIN
    IF fp_attach_prd49.schema IS NULL OR NOT EXISTS (
        SELECT FROM pg_namespace n WHERE n.nspname = fp_attach_prd49.schema) THEN
        RAISE invalid_schema_name USING
            MESSAGE = format('there is no schema %s', coalesce(quote_ident(fp_clipped(fp_attach_prd49.schema)), 'NULL'));
    END IF;
    IF fp_attach_prd49.position_base IS NULL OR fp_attach_prd49.position_base NOT BETWEEN 0 AND 1 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'position_base must be 0 or 1: the position that the first segment is shown with';
    END IF;
    -- fp_attach says so too, but only once the view has been made
    IF EXISTS (SELECT FROM fp_sources f WHERE f.source = fp_attach_prd49.source AND f.observations IS NOT NULL) THEN
        RAISE duplicate_object USING
            MESSAGE = format('source %s is attached already', quote_ident(fp_attach_prd49.source)),
            HINT = 'Use fp_detach first; what was learnt stays.';
    END IF;
    s := quote_ident(fp_attach_prd49.schema);
    SELECT array_agg(c.relname || '.' || a.attname) INTO cols
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE n.nspname = fp_attach_prd49.schema
      AND (c.relkind IN ('r', 'p') OR fp_attach_prd49.capture = 'poll' AND c.relkind IN ('f', 'v', 'm'))
      AND a.attnum > 0 AND NOT a.attisdropped;
    FOREACH need IN ARRAY ARRAY['quality_scores.segment_id', 'quality_scores.check_type', 'quality_scores.status',
                                'quality_scores.created_at', 'segments.id', 'segments.scene_id',
                                'segments.sequence_index', 'scenes.id', 'scenes.scene_type_id'] LOOP
        IF need <> ALL (coalesce(cols, '{}')) THEN
            RAISE undefined_column USING
                MESSAGE = format('schema %s has no column %s', s, need),
                HINT = CASE WHEN EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                                         WHERE n.nspname = fp_attach_prd49.schema AND c.relname = split_part(need, '.', 1)
                                           AND c.relkind IN ('f', 'v', 'm'))
                            THEN format('%s.%s is no table of this database: capture => ''poll'' reads it all the same.', s, split_part(need, '.', 1))
                            ELSE 'fp_attach registers any other view of quality gates.' END;
        END IF;
    END LOOP;
    person := CASE WHEN 'scenes.avatar_id' = ANY (cols) THEN 'avatar'
                   WHEN 'scenes.character_id' = ANY (cols) THEN 'character' END;
    IF person IS NULL THEN
        RAISE undefined_column USING
            MESSAGE = format('schema %s has neither column scenes.avatar_id nor scenes.character_id', s);
    END IF;

    -- The workflow is resolved as generation does it, and now: a scene has none
    -- of its own, and the configuration may change tomorrow.
    IF 'scene_types.id' = ANY (cols) AND ('scene_types.workflow_id' = ANY (cols) OR 'scene_types.lora_config' = ANY (cols)) THEN
        joins := joins || format(E'\nLEFT JOIN %s.scene_types st ON st.id = sc.scene_type_id', s);
        IF 'scene_types.workflow_id' = ANY (cols) THEN
            workflow := 'st.workflow_id';
        END IF;
        IF 'scene_types.lora_config' = ANY (cols) THEN
            config_loras := format('%I.fp_names(st.lora_config, ''lora_id'', ''asset_id'')', home);
        END IF;
    END IF;
    IF cols @> ARRAY['scene_type_track_configs.scene_type_id', 'scene_type_track_configs.track_id',
                     'scene_type_track_configs.workflow_id', 'scenes.track_id'] THEN
        -- a sub-query: a join that the planner cannot prove to be unique would
        -- be made for the outcome too
        track_workflow := format('(SELECT tc.workflow_id FROM %s.scene_type_track_configs tc '
            'WHERE tc.scene_type_id = sc.scene_type_id AND tc.track_id = sc.track_id%s LIMIT 1)',
            s, CASE WHEN 'scene_type_track_configs.is_clothes_off' = ANY (cols) THEN ' AND NOT tc.is_clothes_off' ELSE '' END);
        workflow := CASE workflow WHEN 'st.workflow_id' THEN format('coalesce(%s, st.workflow_id)', track_workflow)
                                  ELSE track_workflow END;
    END IF;

    -- What was really used is in the newest receipt; without one, the LoRAs are
    -- those of the scene type's configuration.
    loras := config_loras;
    triggers := jsonb_build_object(s || '.quality_scores', 'segment_id');
    IF cols @> ARRAY['generation_receipts.id', 'generation_receipts.segment_id', 'generation_receipts.created_at',
                     'generation_receipts.model_asset_id', 'generation_receipts.model_version',
                     'generation_receipts.model_hash', 'generation_receipts.lora_configs'] THEN
        joins := joins || format($q$
LEFT JOIN %1$s.generation_receipts r ON r.id = (
    SELECT g.id FROM %1$s.generation_receipts g WHERE g.segment_id = q.segment_id
    ORDER BY g.created_at DESC, g.id DESC LIMIT 1)$q$, s);
        model := $q$coalesce(r.model_asset_id::text,
        nullif(concat_ws('@', nullif(r.model_version, ''), nullif(r.model_hash, '')), ''))$q$;
        loras := format($q$CASE WHEN r.id IS NULL THEN %s
         ELSE %I.fp_names(r.lora_configs, 'asset_id', 'version@hash') END$q$, config_loras, home);
        triggers := triggers || jsonb_build_object(s || '.generation_receipts', 'segment_id');
    END IF;

    -- All joins but the first table's are outer and unique, so that reading the
    -- outcome alone (every check of a segment but the first) makes none of them.
    EXECUTE format($v$CREATE VIEW %1$I.%2$I AS
SELECT q.segment_id AS source_key, q.segment_id AS obs_key, q.observed_at, q.failed, q.failed_checks,
    s.scene_id AS job,
    %3$s AS workflow,
    %4$s AS model,
    %5$s AS lora,
    sc.%6$I AS "character",
    sc.scene_type_id AS scene_type,
    s.sequence_index + %7$s AS segment_position
FROM (
    SELECT c.segment_id, min(c.created_at) AS observed_at,
        bool_or(c.status = 'fail') AS failed,
        array_agg(c.check_type) FILTER (WHERE c.status = 'fail') AS failed_checks
    FROM %8$s.quality_scores c GROUP BY c.segment_id) q
LEFT JOIN %8$s.segments s ON s.id = q.segment_id
LEFT JOIN %8$s.scenes sc ON sc.id = s.scene_id%9$s$v$,
        home, view_name, workflow, model, loras, person || '_id',
        fp_attach_prd49.position_base, s, joins);
    EXECUTE format('COMMENT ON VIEW %I.%I IS %L', home, view_name,
        format('what failpat reads of source %s; written by fp_attach_prd49', fp_attach_prd49.source));

    -- A superuser's view would run what the owner of the tables put into them
    -- with a superuser's rights: it is given to that owner.
    SELECT pg_get_userbyid(c.relowner) INTO keeper
    FROM pg_class c WHERE c.oid = format('%s.quality_scores', s)::regclass;
    IF EXISTS (SELECT FROM pg_roles r WHERE r.rolname = current_user AND r.rolsuper)
       AND EXISTS (SELECT FROM pg_roles r WHERE r.rolname = keeper AND NOT r.rolsuper) THEN
        SELECT string_agg(t.relation::text, ', ') INTO closed
        FROM fp_view_tables(format('%I.%I', home, view_name)::regclass) t
        WHERE NOT has_table_privilege(keeper, t.relation, 'SELECT');
        IF closed IS NOT NULL OR NOT has_schema_privilege(keeper, fp_attach_prd49.schema, 'USAGE') THEN
            RAISE insufficient_privilege USING
                MESSAGE = format('role %s, who owns %s.quality_scores, may not read %s',
                                 quote_ident(keeper), s, coalesce(closed, 'schema ' || s)),
                DETAIL = 'It is to own the view of the source, which is read as its owner.',
                HINT = format(CASE WHEN closed IS NULL THEN 'GRANT USAGE ON SCHEMA %1$s TO %3$I;' ELSE 'GRANT SELECT ON %2$s TO %3$I;' END, s, closed, keeper);
        END IF;
        IF NOT has_schema_privilege(keeper, home, 'USAGE') THEN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', home, keeper);
        END IF;
        EXECUTE format('ALTER VIEW %I.%I OWNER TO %I', home, view_name, keeper);
    END IF;

    IF cols @> ARRAY['workflows.id', 'workflows.name'] THEN
        dims := dims || jsonb_build_object('workflow', jsonb_build_object('label_table', s || '.workflows'));
    END IF;
    IF cols @> ARRAY['assets.id', 'assets.name'] THEN
        dims := dims || jsonb_build_object('model', jsonb_build_object('label_table', s || '.assets'),
                                           'lora', jsonb_build_object('label_table', s || '.assets'));
    END IF;
    IF cols @> ARRAY[person || 's.id', person || 's.name'] THEN
        dims := dims || jsonb_build_object('character', jsonb_build_object('label_table', s || '.' || person || 's'));
    END IF;
    IF cols @> ARRAY['scene_types.id', 'scene_types.name'] THEN
        dims := dims || jsonb_build_object('scene_type', jsonb_build_object('label_table', s || '.scene_types'));
    END IF;
    PERFORM fp_attach(fp_attach_prd49.source, format('%I.%I', home, view_name)::regclass,
                      CASE fp_attach_prd49.capture WHEN 'poll' THEN '{}' ELSE triggers END, dims,
                      fp_attach_prd49.refresh, fp_attach_prd49.bucket, fp_attach_prd49.bucket_zone,
                      fp_attach_prd49.window_length, fp_attach_prd49.history, fp_attach_prd49.capture, fp_attach_prd49.look_back);
    UPDATE fp_sources f SET own_view = true WHERE f.source = fp_attach_prd49.source;
    PERFORM fp_watch_events(fp_attach_prd49.source, fp_attach_prd49.schema);
END
$fn$;
COMMENT ON FUNCTION fp_attach_prd49(text, text, integer, text, interval, text, interval, text, text, interval) IS
    'makes the platform''s segments and quality_scores a source: writes the view, creates the triggers (or has it polled), loads a short history';
REVOKE ALL ON FUNCTION fp_attach_prd49(text, text, integer, text, interval, text, interval, text, text, interval) FROM PUBLIC;
