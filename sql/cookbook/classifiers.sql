-- Classifiers: trained on rows with labels, or made of a text; how good they are, and where to draw the
-- line. Run it in the project's folder: portolan classifiers.db -f sql/cookbook/classifiers.sql

-- Handwritten digits, 8 x 8 pixels each. One half to learn from, the other to be judged by.
CREATE TABLE digits AS SELECT id, label, CAST(pixels AS VECTOR(64)) AS pixels FROM 'data/digits.csv';
CREATE VIEW train AS SELECT * FROM digits WHERE id % 2 = 0;
CREATE VIEW test AS SELECT * FROM digits WHERE id % 2 = 1;

-- Every fifth of the rows is judged by a classifier of the others: what SHOW CLASSIFIERS says of it.
CREATE CLASSIFIER digits ON train (pixels, label);
SHOW CLASSIFIERS;

-- And on rows that it has never seen.
SELECT round(accuracy(said['label'], label), 3) AS accuracy, round(f1(said['label'], label), 3) AS f1
FROM (SELECT classify(pixels, 'digits') AS said, label FROM test);

-- Which digits it takes for which others.
SELECT pair['truth'] AS truth, pair['predicted'] AS taken_for, pair['n'] AS times
FROM (SELECT unnest(confusion(classify(pixels, 'digits')['label'], label)) AS pair FROM test)
WHERE pair['truth'] <> pair['predicted'] ORDER BY times DESC, truth, taken_for LIMIT 5;

-- The rows that it is least sure of.
SELECT id, label, said['label'] AS taken_for, round(said['margin'], 3) AS margin
FROM (SELECT id, label, classify(pixels, 'digits') AS said FROM test) ORDER BY said['margin'] LIMIT 5;

-- With less held back, and by the nearest rows instead: which is the best?
CREATE CLASSIFIER digits_free ON train (pixels, label) WITH (c = 100);
CREATE CLASSIFIER digits_knn ON train (pixels, label) WITH (method = 'knn', k = 5);
SELECT name, method, round(accuracy, 3) AS held_out FROM portolan.classifiers ORDER BY accuracy DESC;

-- Two classes: a nine or not. There is a threshold now, the one with the best F1 on held-out rows; the
-- score is the probability of a nine, whatever the label.
CREATE CLASSIFIER nine ON (SELECT pixels, label = 9 AS is_nine FROM train);
CREATE TABLE scored AS SELECT id, label = 9 AS is_nine, classify(pixels, 'nine')['score'] AS score FROM test;
SELECT round(roc_auc(score, is_nine), 4) AS roc_auc, round(average_precision(score, is_nine), 4) AS average_precision
FROM scored;

-- Where to draw the line: for the best F1, or so that of a hundred rows taken for nines 99 are.
SELECT round(best_threshold(score, is_nine), 3) AS best_f1,
    round(best_threshold(score, is_nine, precision => 0.99), 3) AS at_99_percent
FROM scored;
SELECT line, round(precision(score >= threshold, is_nine), 3) AS precision,
    round(recall(score >= threshold, is_nine), 3) AS recall, round(f1(score >= threshold, is_nine), 3) AS f1
FROM scored, (SELECT 'best F1' AS line, best_threshold(score, is_nine) AS threshold FROM scored
    UNION ALL SELECT '99 percent', best_threshold(score, is_nine, precision => 0.99) FROM scored)
GROUP BY line ORDER BY line;

-- A second data set: the same digits, badly printed, so that all look more like the mean of all. What
-- was a good threshold is none there; a few labelled rows are enough for another.
CREATE TABLE faded AS
SELECT id, label = 9 AS is_nine, classify(pixels + mean * 0.7, 'nine')['score'] AS score
FROM test, (SELECT centroid(pixels) AS mean FROM train);
SELECT round(recall(score >= old, is_nine), 3) AS recall_before, round(f1(score >= old, is_nine), 3) AS f1_before,
    round(recall(score >= new, is_nine), 3) AS recall_after, round(f1(score >= new, is_nine), 3) AS f1_after
FROM faded, (SELECT threshold AS old FROM portolan.classifiers WHERE name = 'nine'),
    (SELECT best_threshold(score, is_nine) AS new FROM faded WHERE id % 4 = 1)
WHERE id % 4 = 3;

-- Without any labels: a text says what is meant. The model is that of the column.
PULL MODEL 'all-MiniLM-L6-v2';
SET portolan.text_model = 'all-MiniLM-L6-v2';
CREATE TABLE glosses AS SELECT id, word, label, embed_text(text) AS v FROM 'data/glosses.csv';
CREATE CLASSIFIER animals USING TEXT 'an animal';

-- Scores are there at once, labels need a threshold. Some labelled rows say which.
SELECT round(best_threshold(classify(v, 'animals')['score'], label = 'noun.animal'), 4) AS threshold
FROM glosses WHERE id % 2 = 0;
CREATE OR REPLACE CLASSIFIER animals USING TEXT 'an animal' THRESHOLD 0.2136;
SELECT word, round(said['score'], 3) AS score
FROM (SELECT word, classify(v, 'animals') AS said FROM glosses) WHERE said['label'] ORDER BY score DESC LIMIT 5;
SELECT round(precision(said['label'], animal), 3) AS precision, round(recall(said['label'], animal), 3) AS recall,
    round(f1(said['label'], animal), 3) AS f1, round(roc_auc(said['score'], animal), 3) AS roc_auc
FROM (SELECT classify(v, 'animals') AS said, label = 'noun.animal' AS animal FROM glosses WHERE id % 2 = 1);

-- Another text has another threshold.
CREATE CLASSIFIER plants USING TEXT 'a plant';
SELECT round(best_threshold(classify(v, 'plants')['score'], label = 'noun.plant'), 4) AS threshold
FROM glosses WHERE id % 2 = 0;

-- Several texts: the most similar one is the label.
CREATE CLASSIFIER kinds USING TEXT 'an animal', 'a plant', 'a place', 'a feeling';
SELECT said['label'] AS kind, count(*) AS words,
    array_to_string(array_slice(array_agg(word ORDER BY said['margin'] DESC), 1, 3), ', ') AS surest
FROM (SELECT word, classify(v, 'kinds') AS said FROM glosses
    WHERE label IN ('noun.animal', 'noun.plant', 'noun.location', 'noun.feeling'))
GROUP BY kind ORDER BY kind;

-- And with labels, of the same vectors.
CREATE CLASSIFIER animals_trained ON (SELECT v, label = 'noun.animal' AS animal FROM glosses WHERE id % 2 = 0);
SELECT round(f1(said['label'], animal), 3) AS f1, round(roc_auc(said['score'], animal), 3) AS roc_auc
FROM (SELECT classify(v, 'animals_trained') AS said, label = 'noun.animal' AS animal FROM glosses WHERE id % 2 = 1);
SHOW CLASSIFIERS;
