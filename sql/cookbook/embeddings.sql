-- Two embeddings of the same rows: which is better for what, what the one sees that the other does not.
-- Run it where the pictures are:
--     data/fetch emoji
--     cd ~/.cache/portolan/data && portolan embeddings.db -f …/sql/cookbook/embeddings.sql

-- 508 emoji, each by how it looks and by what it is called.
PULL MODEL 'efficientnet-lite0';
PULL MODEL 'all-MiniLM-L6-v2';
CREATE TABLE emoji AS
SELECT sort_order AS id, lower(name) AS name, category, subcategory,
    embed_image('emoji/img/twitter/64/' || image, 1280, 'efficientnet-lite0') AS looks,
    embed_text(lower(name), 'search_document', 384, 'all-MiniLM-L6-v2') AS says
FROM 'emoji/emoji.json' WHERE category IN ('Animals & Nature', 'Food & Drink', 'Travel & Places') AND has_img_google;

-- How alike they are, over all rows. Of a row's ten neighbours one or two are the same in both, and neighbours are what
-- searches and maps live on; cka, which sees how the whole lies, finds the two more alike than that.
SELECT round(d['jaccard_10'], 3) AS jaccard_10, round(d['jaccard_50'], 3) AS jaccard_50,
    round(d['cka'], 3) AS cka, round(d['procrustes'], 3) AS procrustes
FROM (SELECT drift(looks, says) AS d FROM emoji);

-- Which has what you are after: do neighbours share the 3 categories, and the 26 subcategories?
SELECT 'looks' AS embedding, round(knn_accuracy(looks, category), 3) AS category, round(knn_accuracy(looks, subcategory), 3) AS subcategory,
    round(silhouette(looks, category), 3) AS silhouette FROM emoji
UNION ALL SELECT 'says', round(knn_accuracy(says, category), 3), round(knn_accuracy(says, subcategory), 3),
    round(silhouette(says, category), 3) FROM emoji ORDER BY embedding;

-- And what a classifier makes of each: every row judged by one that has not seen it.
CREATE CLASSIFIER by_looks ON emoji (looks, subcategory) WITH (c = 10);
CREATE CLASSIFIER by_name ON emoji (says, subcategory) WITH (c = 10);
SELECT name, classes, round(accuracy, 3) AS accuracy, round(f1, 3) AS f1 FROM portolan.classifiers ORDER BY accuracy DESC;

-- Row by row: how many of ten neighbours are the same.
CREATE TABLE near AS
SELECT id, name, subcategory, neighbors(looks, id, k => 10) OVER () AS by_looks, neighbors(says, id, k => 10) OVER () AS by_name FROM emoji;
CREATE TABLE pairs AS
SELECT id, 'looks' AS embedding, n['id'] AS other FROM (SELECT id, unnest(by_looks) AS n FROM near)
UNION ALL SELECT id, 'says', n['id'] FROM (SELECT id, unnest(by_name) AS n FROM near);
CREATE TABLE shared AS
SELECT id, count(*) FILTER (WHERE both = 2) AS same FROM (SELECT id, other, count(*) AS both FROM pairs GROUP BY id, other) GROUP BY id;
SELECT same, count(*) AS emoji FROM shared GROUP BY same ORDER BY same;

-- Kinds whose looks say what they are, and kinds that only their names hold together.
SELECT subcategory, count(*) AS emoji, round(avg(same), 2) AS same_of_10,
    round(avg(CAST(a['predicted'] = subcategory AS INT)), 2) AS found_by_looks,
    round(avg(CAST(b['predicted'] = subcategory AS INT)), 2) AS found_by_name
FROM (SELECT id, subcategory, boundary(looks, subcategory, k => 10) OVER () AS a, boundary(says, subcategory, k => 10) OVER () AS b FROM emoji) AS e
JOIN shared ON shared.id = e.id GROUP BY subcategory HAVING count(*) >= 12 ORDER BY same_of_10 DESC, subcategory;

-- One row: what is near it, by the one and by the other.
SELECT embedding, string_agg(emoji.name, ', ' ORDER BY emoji.name) AS near
FROM pairs JOIN emoji ON emoji.id = other
WHERE pairs.id = (SELECT id FROM emoji WHERE name = 'tomato') GROUP BY embedding ORDER BY embedding;

-- Two maps to be looked at side by side: the second is laid out near the first, so that what differs between them
-- differs between the embeddings. The rows that move farthest are those that the two see most differently.
CREATE MAP seen ON emoji (looks) WITH (text = 'name');
CREATE MAP called ON emoji (says) WITH (text = 'name', align_to = 'seen');
SELECT round(neighborhood_preservation(s.looks, named_struct('x', s.x, 'y', s.y)), 3) AS looks_on_seen,
    round(neighborhood_preservation(s.says, named_struct('x', c.x, 'y', c.y)), 3) AS says_on_called
FROM seen AS s JOIN called AS c ON c.id = s.id;
SELECT s.name, s.subcategory, s.topic_1 AS seen_among, c.topic_1 AS called_among
FROM seen AS s JOIN called AS c ON c.id = s.id
ORDER BY power(c.x - s.x, 2) + power(c.y - s.y, 2) DESC, s.name LIMIT 8;
