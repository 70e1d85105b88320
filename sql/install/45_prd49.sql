-- The platform's tables (PRD-49) as a source.

CREATE FUNCTION fp_attach_prd49(
    schema text DEFAULT 'public',
    source text DEFAULT 'segments',
    position_base integer DEFAULT 1,
    refresh text DEFAULT 'manual',
    bucket interval DEFAULT '1 day',
    bucket_zone text DEFAULT 'UTC',
    window_length interval DEFAULT '90 days',
    history text DEFAULT 'auto')
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
    config_loras text := 'NULL::text[]';
    loras text;
    model text := 'NULL::text';
    joins text := '';
    triggers jsonb := '{}';
    dims jsonb := '{}';
    s text;                 -- the platform's schema, quoted
    -- members of a JSON array as a sorted set of texts: none is {}, and
    -- members of which not one can be told are NULL, not recorded
    set_of constant text :=
        $q$(SELECT CASE WHEN count(*) = 0 THEN '{}'::text[]
                        ELSE array_agg(DISTINCT e.name ORDER BY e.name) FILTER (WHERE e.name IS NOT NULL) END
            FROM (SELECT (%2$s) COLLATE "C" AS name FROM jsonb_array_elements(%1$s) AS m (item)) AS e)$q$;
BEGIN
    IF fp_attach_prd49.schema IS NULL OR NOT EXISTS (
        SELECT FROM pg_namespace n WHERE n.nspname = fp_attach_prd49.schema) THEN
        RAISE invalid_schema_name USING
            MESSAGE = format('there is no schema %s', coalesce(quote_ident(fp_attach_prd49.schema), 'NULL'));
    END IF;
    IF fp_attach_prd49.position_base IS NULL OR fp_attach_prd49.position_base NOT BETWEEN 0 AND 1 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'position_base must be 0 or 1: the position that the first segment is shown with';
    END IF;
    s := quote_ident(fp_attach_prd49.schema);
    SELECT array_agg(c.relname || '.' || a.attname) INTO cols
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE n.nspname = fp_attach_prd49.schema AND c.relkind IN ('r', 'p')
      AND a.attnum > 0 AND NOT a.attisdropped;
    FOREACH need IN ARRAY ARRAY['quality_scores.segment_id', 'quality_scores.check_type', 'quality_scores.status',
                                'quality_scores.created_at', 'segments.id', 'segments.scene_id',
                                'segments.sequence_index', 'scenes.id', 'scenes.scene_type_id'] LOOP
        IF need <> ALL (coalesce(cols, '{}')) THEN
            RAISE undefined_column USING
                MESSAGE = format('schema %s has no column %s', s, need),
                HINT = 'fp_attach registers any other view of quality gates.';
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
            config_loras := format('CASE WHEN jsonb_typeof(st.lora_config) = ''array'' THEN %s END',
                format(set_of, 'st.lora_config', $q$coalesce(m.item ->> 'lora_id', m.item ->> 'asset_id')$q$));
        END IF;
    END IF;
    IF cols @> ARRAY['scene_type_track_configs.scene_type_id', 'scene_type_track_configs.track_id',
                     'scene_type_track_configs.workflow_id', 'scenes.track_id'] THEN
        joins := joins || format(E'\nLEFT JOIN %s.scene_type_track_configs tc ON tc.scene_type_id = sc.scene_type_id AND tc.track_id = sc.track_id%s',
            s, CASE WHEN 'scene_type_track_configs.is_clothes_off' = ANY (cols) THEN ' AND NOT tc.is_clothes_off' ELSE '' END);
        workflow := CASE workflow WHEN 'st.workflow_id' THEN 'coalesce(tc.workflow_id, st.workflow_id)'
                                  ELSE 'tc.workflow_id' END;
    END IF;

    -- What was really used is in the newest receipt; without one, the LoRAs are
    -- those of the scene type's configuration.
    loras := config_loras;
    triggers := jsonb_build_object(s || '.quality_scores', 'segment_id');
    IF cols @> ARRAY['generation_receipts.id', 'generation_receipts.segment_id', 'generation_receipts.created_at',
                     'generation_receipts.model_asset_id', 'generation_receipts.model_version',
                     'generation_receipts.model_hash', 'generation_receipts.lora_configs'] THEN
        joins := joins || format($q$
LEFT JOIN LATERAL (
    SELECT g.id, g.model_asset_id, g.model_version, g.model_hash, g.lora_configs
    FROM %s.generation_receipts g WHERE g.segment_id = s.id
    ORDER BY g.created_at DESC, g.id DESC LIMIT 1) r ON true$q$, s);
        model := $q$coalesce(r.model_asset_id::text,
        nullif(concat_ws('@', nullif(r.model_version, ''), nullif(r.model_hash, '')), ''))$q$;
        loras := format($q$CASE WHEN r.id IS NULL THEN %s
         WHEN jsonb_typeof(r.lora_configs) = 'array' THEN %s END$q$,
            config_loras,
            format(set_of, 'r.lora_configs',
                   $q$coalesce(m.item ->> 'asset_id', nullif(concat_ws('@', nullif(m.item ->> 'version', ''), nullif(m.item ->> 'hash', '')), ''))$q$));
        triggers := triggers || jsonb_build_object(s || '.generation_receipts', 'segment_id');
    END IF;

    EXECUTE format($v$CREATE VIEW %1$I.%2$I AS
SELECT s.id AS source_key, s.id::text AS obs_key, q.observed_at, q.failed, q.failed_checks,
    sc.id AS job,
    %3$s AS workflow,
    %4$s AS model,
    %5$s AS lora,
    sc.%6$I AS "character",
    sc.scene_type_id AS scene_type,
    s.sequence_index + %7$s AS segment_position
FROM %8$s.segments s
JOIN %8$s.scenes sc ON sc.id = s.scene_id
CROSS JOIN LATERAL (
    SELECT min(c.created_at) AS observed_at,
        bool_or(c.status = 'fail') AS failed,
        coalesce(array_agg(DISTINCT c.check_type COLLATE "C" ORDER BY c.check_type COLLATE "C")
                 FILTER (WHERE c.status = 'fail'), '{}') AS failed_checks
    FROM %8$s.quality_scores c WHERE c.segment_id = s.id HAVING count(*) > 0) q%9$s$v$,
        home, view_name, workflow, model, loras, person || '_id',
        fp_attach_prd49.position_base, s, joins);
    EXECUTE format('COMMENT ON VIEW %I.%I IS %L', home, view_name,
        format('what failpat reads of source %s; written by fp_attach_prd49', fp_attach_prd49.source));

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
    PERFORM fp_attach(fp_attach_prd49.source, format('%I.%I', home, view_name)::regclass, triggers, dims,
                      fp_attach_prd49.refresh, fp_attach_prd49.bucket, fp_attach_prd49.bucket_zone,
                      fp_attach_prd49.window_length, fp_attach_prd49.history);
    UPDATE fp_sources f SET own_view = true WHERE f.source = fp_attach_prd49.source;
END
$fn$;
COMMENT ON FUNCTION fp_attach_prd49(text, text, integer, text, interval, text, interval, text) IS
    'makes the platform''s segments and quality_scores a source: writes the view, creates the triggers, loads a short history';
REVOKE ALL ON FUNCTION fp_attach_prd49(text, text, integer, text, interval, text, interval, text) FROM PUBLIC;
