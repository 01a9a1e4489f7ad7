-- Duplicates: rows that say the same in other words, and how to be rid of them.
-- Run it in the project's folder: portolan duplicates.db -f sql/cookbook/duplicates.sql

PULL MODEL 'all-MiniLM-L6-v2';
SET portolan.text_model = 'all-MiniLM-L6-v2';

-- What Unicode says of symbols: a man, a woman and a person who do the same hardly differ.
CREATE TABLE symbols AS
SELECT id, symbol, english AS text, embed_text(english) AS v FROM 'data/symbols.csv';

-- How many there are depends on the cutoff, a cosine distance: look at a few.
SELECT 0.02 AS cutoff, d['duplicate_class'] AS class, count(*) AS rows
FROM (SELECT duplicates(v, id, cutoff => 0.02) OVER () AS d FROM symbols) GROUP BY 2
UNION ALL
SELECT 0.05, d['duplicate_class'], count(*)
FROM (SELECT duplicates(v, id, cutoff => 0.05) OVER () AS d FROM symbols) GROUP BY 2
UNION ALL
SELECT 0.1, d['duplicate_class'], count(*)
FROM (SELECT duplicates(v, id, cutoff => 0.1) OVER () AS d FROM symbols) GROUP BY 2
ORDER BY cutoff, class;

-- One of them, with what is to become of each row.
CREATE TABLE judged AS
SELECT id, symbol, text, d['duplicate_class'] AS class, d['cluster_id'] AS cluster, d['distance_to_retained'] AS distance
FROM (SELECT id, symbol, text, duplicates(v, id, cutoff => 0.05) OVER () AS d FROM symbols);

-- The largest clusters: the row that is kept is the one that lies nearest to the others.
SELECT kept.text AS kept, count(*) AS copies, string_agg(copied.symbol, ' ') AS symbols,
  round(max(copied.distance), 3) AS farthest
FROM judged AS kept JOIN judged AS copied ON copied.cluster = kept.cluster
WHERE kept.class = 'retention candidate' AND copied.class = 'deletion candidate'
GROUP BY kept.id, kept.text ORDER BY copies DESC, kept.id LIMIT 5;

-- Where the cutoff bites: the pairs that are just alike enough. Read them before deleting anything.
SELECT kept.text AS kept, copied.text AS copy, round(copied.distance, 4) AS apart
FROM judged AS kept JOIN judged AS copied ON copied.cluster = kept.cluster
WHERE kept.class = 'retention candidate' AND copied.class = 'deletion candidate'
ORDER BY copied.distance DESC, copied.id LIMIT 5;

-- Off with them. What was there stays in the table's earlier version.
DELETE FROM symbols WHERE id IN (SELECT id FROM judged WHERE class = 'deletion candidate');

-- Now there are none.
SELECT d['duplicate_class'] AS class, count(*) AS rows
FROM (SELECT duplicates(v, id, cutoff => 0.05) OVER () AS d FROM symbols) GROUP BY 1;

-- How unlike the others a row is, as a number: what to look at first, and last.
SELECT symbol, text, round(unique, 3) AS uniqueness
FROM (SELECT symbol, text, uniqueness(v) OVER () AS unique FROM symbols) ORDER BY unique DESC, symbol LIMIT 5;
