-- Search: by meaning, by words, by both; within filters; over documents in pieces; of one table for
-- another. Run it in the project's folder: portolan search.db -f sql/cookbook/search.sql

PULL MODEL 'all-MiniLM-L6-v2';
SET portolan.text_model = 'all-MiniLM-L6-v2';

-- Rows are embedded as they come in.
CREATE TABLE glosses (id BIGINT PRIMARY KEY, word TEXT, label TEXT, text TEXT,
    v VECTOR(384) GENERATED ALWAYS AS (embed_text(text)) STORED);
INSERT INTO glosses (id, word, label, text) SELECT id, word, label, text FROM 'data/glosses.csv';

-- By meaning: no word of the question needs to be in the answer.
SELECT word, text FROM glosses
ORDER BY cosine(v, embed_text('where boats are safe from a storm', 'search_query')) DESC LIMIT 5;

-- The same among some rows only. Whatever the condition is, it comes first: ten rows are found where
-- ten rows meet it.
SELECT word, text FROM glosses WHERE label = 'noun.location' AND length(text) < 120
ORDER BY cosine(v, embed_text('where boats are safe from a storm', 'search_query')) DESC LIMIT 5;

-- How it is done: an operator in the place of the scan.
EXPLAIN SELECT word FROM glosses
ORDER BY cosine(v, embed_text('where boats are safe from a storm', 'search_query')) DESC LIMIT 5;

-- Only what is near enough, however many rows that are.
SELECT word, round(_distance, 3) AS distance
FROM vector_search('glosses', embed_text('a person who sails', 'search_query'), max_distance => 0.6);

-- Answers that are not all the same.
SELECT word, round(_distance, 3) AS distance
FROM vector_search('glosses', embed_text('a person who sails', 'search_query'), k => 5, diversity => 0.4);

-- By words.
CREATE TEXT INDEX ON glosses (text);
SELECT word, round(_score, 3) AS score FROM text_search('glosses', 'ship harbour water', k => 5);

-- By both, the ranks put together. The text is embedded by the model that made the column.
SELECT word, round(_score, 4) AS score
FROM hybrid_search('glosses', 'a ship in shallow water', k => 5, column => 'v');

-- What says nearly the same as one row.
SELECT word, label, round(_distance, 3) AS distance
FROM nearest_to('glosses', (SELECT min(id) FROM glosses WHERE label = 'noun.animal'), k => 5);

-- Questions to documents: they are cut into pieces that overlap, and the pieces are searched.
CREATE TABLE documents AS
SELECT row_number() OVER (ORDER BY label) AS id, label AS title, string_agg(text, '. ' ORDER BY id) AS body
FROM glosses GROUP BY label;
CREATE TABLE pieces AS
SELECT id AS document, piece['chunk'] AS text, embed_text(piece['chunk']) AS v
FROM (SELECT id, unnest(chunk_text(body, 48, 8)) AS piece FROM documents);
SELECT documents.title, pieces.text
FROM vector_search('pieces', embed_text('which animals live in the sea?', 'search_query'), k => 3) AS pieces
JOIN documents ON documents.id = pieces.document
ORDER BY _distance;

-- One table joined with another by likeness: for every wish the two nearest rows.
CREATE TABLE wishes AS
SELECT id, wish, embed_text(wish, 'search_query') AS v
FROM (VALUES (1, 'something to eat'), (2, 'to travel far'), (3, 'to be well again')) AS w (id, wish);
SELECT wish, word, round(_distance, 3) AS distance
FROM vector_search('glosses', (SELECT array_agg(v ORDER BY id) FROM wishes), k => 2) AS found
JOIN (SELECT wish, row_number() OVER (ORDER BY id) - 1 AS query_index FROM wishes) AS asked
USING (query_index)
ORDER BY query_index, _distance;

-- An index pays from some ten thousand rows; below, all are compared. It is measured while it is built.
CREATE VECTOR INDEX ON glosses (v);
SHOW INDEXES ON glosses;
