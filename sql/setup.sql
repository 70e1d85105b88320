-- The extension can be created, and everything in it has a comment.
CREATE EXTENSION failpat;
SELECT extversion FROM pg_extension WHERE extname = 'failpat';
SELECT pg_describe_object(d.classid, d.objid, 0) AS without_comment
FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
WHERE e.extname = 'failpat' AND d.deptype = 'e'
  AND NOT EXISTS (SELECT FROM pg_description c WHERE c.classoid = d.classid AND c.objoid = d.objid AND c.objsubid = 0)
  -- PostgreSQL 18 counts the types that come with tables, views and other types
  AND NOT EXISTS (SELECT FROM pg_type t LEFT JOIN pg_class r ON r.oid = t.typrelid
                  WHERE d.classid = 'pg_type'::regclass AND t.oid = d.objid AND (t.typcategory = 'A' OR r.relkind <> 'c'))
UNION ALL
SELECT format('column %s.%s', a.attrelid::regclass, a.attname)
FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
JOIN pg_class r ON d.classid = 'pg_class'::regclass AND d.objid = r.oid AND r.relkind = 'r'
JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE e.extname = 'failpat' AND d.deptype = 'e' AND col_description(a.attrelid, a.attnum) IS NULL
ORDER BY 1;
