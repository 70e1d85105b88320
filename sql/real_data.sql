-- Data that nobody here made (test/tools/make-real-data), as counts.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS failpat CASCADE;
CREATE EXTENSION failpat;
RESET client_min_messages;

-- Admissions to Berkeley, 1973: a rejection is the failure. Women are rejected
-- more often in all, and within the departments they are not.
CREATE TABLE admissions (department text, gender text, failures bigint, trials bigint);
\copy admissions FROM 'test/fixtures/ucb_admissions.csv' CSV HEADER
SELECT sum(trials) AS applicants, sum(failures) AS rejected FROM admissions;
SELECT gender, failures, trials, round(rate::numeric, 4) AS rate, round(lower::numeric, 4) AS lower,
       round(upper::numeric, 4) AS upper
FROM (SELECT gender, (failure_rate_ci(failures, trials)).* FROM admissions GROUP BY gender) AS g
ORDER BY gender COLLATE "C";

CREATE TABLE found AS
SELECT p.*, failures::text || '/' || trials AS counts
FROM (SELECT failure_cube(failures, trials, d) AS cube
      FROM admissions, LATERAL (SELECT department, gender) AS d) AS c,
     fp_patterns(c.cube, direction => 'both') AS p;
-- No word about gender as such, in either direction, and nothing against
-- either of them in any department.
SELECT description FROM found
WHERE conditions ? 'gender' AND (effect = 'worse' OR NOT conditions ? 'department');
-- F rejects nearly everybody, A and B are lenient, A even more with women; each
-- is said once.
SELECT description, conditions, counts, round(rate::numeric, 3) AS rate,
       round(risk_ratio::numeric, 2) AS risk_ratio, p_value < 0.001 AS certain
FROM found ORDER BY conditions::text COLLATE "C";
-- The counts of a pattern are those of the table.
SELECT f.conditions, f.counts
FROM found f
WHERE NOT EXISTS (SELECT FROM admissions a
                  WHERE jsonb_build_object('department', department, 'gender', gender) @> f.conditions
                  HAVING sum(a.failures) = f.failures AND sum(a.trials) = f.trials);
DROP TABLE found;

-- The Titanic, 1912: a death is the failure.
CREATE TABLE titanic (class text, sex text, age text, failures bigint, trials bigint);
\copy titanic FROM 'test/fixtures/titanic.csv' CSV HEADER
SELECT sum(trials) AS aboard, sum(failures) AS died FROM titanic;
CREATE TABLE found AS
SELECT p.*, failures::text || '/' || trials AS counts
FROM (SELECT failure_cube(failures, trials, d) AS cube
      FROM titanic, LATERAL (SELECT class, sex, age) AS d) AS c,
     fp_patterns(c.cube, direction => 'both') AS p;
-- Men died; women were saved in the first two classes, and in the third about
-- half of them. No near-copies of that: "Male, Adult", "Male, Adult, Crew" and so on.
SELECT description, conditions, counts, round(rate::numeric, 3) AS rate,
       round(risk_ratio::numeric, 2) AS risk_ratio, p_value < 0.001 AS certain
FROM found ORDER BY conditions::text COLLATE "C";
SELECT f.conditions, f.counts
FROM found f
WHERE NOT EXISTS (SELECT FROM titanic t WHERE jsonb_build_object('class', class, 'sex', sex, 'age', age) @> f.conditions
                  HAVING sum(t.failures) = f.failures AND sum(t.trials) = f.trials);

-- How much each stands out by itself, how sure all that is claimed of it is,
-- and what else stands out that it accounts for.
SELECT description, round(log(p_marginal::numeric)) AS log_p_marginal, round(log(p_value::numeric)) AS log_p_value,
       folded FROM found ORDER BY conditions::text COLLATE "C";
-- The weakest of the claims about men: which is it?
SELECT gate, passed, against, round(log(e.p_value::numeric), 1) AS log_p, note
FROM (SELECT failure_cube(failures, trials, d) AS cube
      FROM titanic, LATERAL (SELECT class, sex, age) AS d) AS c,
     fp_explain(c.cube, '{"sex": "Male"}') AS e ORDER BY step;

-- Where there is nothing to find, nothing is found: the same people, with the
-- deaths spread evenly over them.
SELECT count(*) AS patterns
FROM (SELECT failure_cube(round(trials * 0.677)::bigint, trials, d) AS cube
      FROM titanic, LATERAL (SELECT class, sex, age) AS d) AS c,
     fp_patterns(c.cube, direction => 'both') AS p;

DROP TABLE admissions, titanic, found;
DROP EXTENSION failpat;
