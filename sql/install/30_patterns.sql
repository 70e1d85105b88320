-- Patterns: mining a cube, keys and sentences.

CREATE FUNCTION fp_pattern_key(conditions jsonb, dimensions jsonb DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'failpat_sql_pattern_key'
LANGUAGE C IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION fp_pattern_key(jsonb, jsonb) IS
'The key of a pattern, as "w:5:l:3:c:12:st:7:sp:6+". dimensions may give other prefixes: {"lora": {"key": "l"}}. Different conditions have different keys.';

CREATE FUNCTION fp_pattern_text(conditions jsonb, dimensions jsonb DEFAULT NULL, direction text DEFAULT 'worse', "check" text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'failpat_sql_pattern_text'
LANGUAGE C IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION fp_pattern_text(jsonb, jsonb, text, text) IS
'The sentence for a pattern, as "LoRA X + Character Y fails at segment 6+". dimensions gives titles and names of values: {"lora": {"title": "LoRA", "labels": {"3": "X"}}}.';
