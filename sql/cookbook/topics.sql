-- Topics: what many texts are about, at several depths, without reading them.
-- Run it in the project's folder: portolan topics.db -f sql/cookbook/topics.sql

PULL MODEL 'all-MiniLM-L6-v2';
SET portolan.text_model = 'all-MiniLM-L6-v2';

-- A thousand entries of a dictionary, and one of the dictionary's own 45 classes as their label.
CREATE TABLE glosses AS
SELECT id, word, label, text, embed_text(text) AS v FROM 'data/glosses.csv';

-- Topics, and where each row lies on a map. Both need to know who is near whom, which is found once.
CREATE TABLE placed AS
SELECT id, word, label, text, v, topics(v, text) OVER () AS topic, umap_xy(v) OVER () AS place
FROM glosses;

-- The most general ones. Where noise is true the row's neighbours lie in other topics.
SELECT topic['topic_1'] AS topic, count(*) AS rows, sum(CASE WHEN topic['noise'] THEN 1 ELSE 0 END) AS noise
FROM placed GROUP BY 1 ORDER BY rows DESC;

-- Those below the largest one.
SELECT topic['topic_2'] AS topic, count(*) AS rows, min(word) AS one, max(word) AS another
FROM placed
WHERE topic['topic_1'] = (SELECT topic['topic_1'] FROM placed GROUP BY 1 ORDER BY count(*) DESC LIMIT 1)
GROUP BY 1 ORDER BY rows DESC;

-- How they agree with the dictionary: its most frequent class in every topic, and how frequent it is.
SELECT topic, label, rows, round(100.0 * rows / sum, 0) AS percent
FROM (SELECT topic, label, rows, sum(rows) OVER (PARTITION BY topic) AS sum,
        row_number() OVER (PARTITION BY topic ORDER BY rows DESC, label) AS rank
      FROM (SELECT topic['topic_1'] AS topic, label, count(*) AS rows FROM placed GROUP BY 1, 2))
WHERE rank = 1 ORDER BY percent DESC;

-- As many as you like: twenty, and only rows that are sure of theirs.
SELECT topic, count(*) AS rows
FROM (SELECT topic_label(v, text, n_topics => 20) OVER () AS topic FROM glosses)
WHERE topic IS NOT NULL GROUP BY topic ORDER BY rows DESC;

-- Topics of each part of the dictionary by itself.
SELECT part, topic, count(*) AS rows
FROM (SELECT split_part(label, '.', 1) AS part,
        topic_label(v, text, n_topics => 3) OVER (PARTITION BY split_part(label, '.', 1)) AS topic
      FROM glosses WHERE split_part(label, '.', 1) IN ('noun', 'verb'))
GROUP BY part, topic ORDER BY part, rows DESC;

-- Clusters are topics without names, and need no text: numbers from the largest to the smallest.
CREATE TABLE clustered AS SELECT word, label, v, cluster_id(v, n_clusters => 12) OVER () AS cluster FROM glosses;
SELECT cluster, count(*) AS rows, min(word) AS one, max(word) AS another FROM clustered GROUP BY cluster ORDER BY cluster;
SELECT round(silhouette(v, cluster), 3) AS clusters, round(silhouette(v, label), 3) AS labels FROM clustered;

-- Japanese. This model knows English alone, so the vectors are those of the English texts; the names
-- come from the Japanese ones, whose words are found without spaces.
CREATE TABLE symbols AS
SELECT id, symbol, english, japanese, embed_text(english) AS v FROM 'data/symbols.csv';
SELECT topic['topic_1'] AS topic, count(*) AS rows, string_agg(symbol, ' ') FILTER (WHERE id % 40 = 0) AS some
FROM (SELECT id, symbol, topics(v, japanese) OVER () AS topic FROM symbols)
WHERE NOT topic['noise'] GROUP BY 1 ORDER BY rows DESC;
