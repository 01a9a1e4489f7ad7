-- Boundaries: where labels meet, which of them are wrong, and what another embedding changes.
-- Run it in the project's folder: portolan boundaries.db -f sql/cookbook/boundaries.sql

-- Handwritten digits, 8 x 8 pixels each: the pixels are the vector, the digit is the label.
CREATE TABLE digits AS SELECT id, label, pixels::VECTOR(64) AS v FROM 'data/digits.csv';

-- Which digits lie among which: of the neighbours of all rows of one, the share that is another.
SELECT pair['label'] AS digit, pair['other'] AS other, round(100 * pair['share'], 2) AS percent
FROM (SELECT unnest(class_overlap(v, label)) AS pair FROM digits)
WHERE pair['label'] <> pair['other'] ORDER BY percent DESC LIMIT 8;

-- 4 and 9.
SELECT pair['label'] AS digit, pair['other'] AS other, round(100 * pair['share'], 2) AS percent
FROM (SELECT unnest(class_overlap(v, label)) AS pair FROM digits)
WHERE pair['label'] IN (4, 9) AND pair['other'] IN (4, 9) ORDER BY digit, other;

-- What the neighbours say of every row, what classifiers say that have not seen it, and how far out it
-- lies.
CREATE TABLE judged AS
SELECT id, label, v, boundary(v, label) OVER () AS b, label_issue(v, label) OVER () AS issue,
  outlier_score(v) OVER () AS outlier, umap_xy(v) OVER () AS place
FROM digits;

-- The misclassified rows: most of their neighbours are another digit.
SELECT id, label, b['predicted'] AS predicted, round(b['purity'], 2) AS purity, round(b['margin'], 2) AS margin
FROM judged WHERE b['predicted'] <> label ORDER BY purity, id LIMIT 10;

-- 4s and 9s that lie on the boundary, and where they are on the map.
SELECT id, label, round(b['margin'], 2) AS margin, round(b['entropy'], 2) AS entropy,
  round(place['x'], 1) AS x, round(place['y'], 1) AS y
FROM judged WHERE label IN (4, 9) ORDER BY b['margin'], id LIMIT 5;

-- Labels that are doubted, the worst first.
SELECT id, label, issue['predicted'] AS predicted, round(issue['score'], 3) AS score
FROM judged WHERE issue['is_issue'] ORDER BY issue['score'] DESC LIMIT 10;

-- Is that to be trusted? Make every twentieth label wrong and see how many are found.
CREATE TABLE spoilt AS
SELECT id, label AS truth, CASE WHEN id % 20 = 0 THEN (label + 1 + id % 9) % 10 ELSE label END AS label, v FROM digits;
SELECT label <> truth AS wrong, count(*) AS rows, sum(CASE WHEN issue['is_issue'] THEN 1 ELSE 0 END) AS found,
  round(avg(issue['score']), 3) AS score, sum(CASE WHEN issue['predicted'] = truth THEN 1 ELSE 0 END) AS right_digit
FROM (SELECT truth, label, label_issue(v, label) OVER () AS issue FROM spoilt) GROUP BY 1 ORDER BY 1;

-- Rows that are unlike anything around them.
SELECT id, label, round(outlier, 2) AS score FROM judged ORDER BY outlier DESC, id LIMIT 5;

-- A second embedding of the same rows: the upper half of each picture. Half of a row's ten neighbours
-- change, though cka, which sees the large directions alone, finds the two rather alike.
SELECT round(d['jaccard_10'], 3) AS jaccard_10, round(d['jaccard_50'], 3) AS jaccard_50,
  round(d['cka'], 3) AS cka, round(d['procrustes'], 3) AS procrustes
FROM (SELECT drift(v, truncate_vector(v, 32)) AS d FROM digits);

-- What it changes, digit by digit: rows whose neighbours say what they are, before and after.
SELECT label, sum(CASE WHEN whole['predicted'] = label THEN 0 ELSE 1 END) AS wrong_before,
  sum(CASE WHEN half['predicted'] = label THEN 0 ELSE 1 END) AS wrong_after
FROM (SELECT label, boundary(v, label) OVER () AS whole, boundary(truncate_vector(v, 32), label) OVER () AS half FROM digits)
GROUP BY label ORDER BY label;

-- And where 4 and 9 are now.
SELECT pair['label'] AS digit, pair['other'] AS other, round(100 * pair['share'], 2) AS percent
FROM (SELECT unnest(class_overlap(truncate_vector(v, 32), label)) AS pair FROM digits)
WHERE pair['label'] IN (4, 9) AND pair['other'] IN (4, 9) ORDER BY digit, other;
