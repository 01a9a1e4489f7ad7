-- The demo: ten thousand short texts and all emoji become two maps. What is there already is not made again.
-- Run it where data/fetch puts its files; `make demo` does.

-- Definitions of words, with the class of each.
CREATE TABLE IF NOT EXISTS glosses (id BIGINT PRIMARY KEY, word TEXT, label TEXT, text TEXT);
INSERT INTO glosses
SELECT id, word, label, text FROM 'glosses.csv'
WHERE id % 11 = 0 AND NOT EXISTS (SELECT 1 FROM glosses) ORDER BY id LIMIT 10000;

-- Pictures, and what they are called.
CREATE TABLE IF NOT EXISTS emoji (id BIGINT PRIMARY KEY, name TEXT, category TEXT, subcategory TEXT, image BYTEA);
INSERT INTO emoji
SELECT sort_order, lower(name), category, subcategory, bytes
FROM 'emoji/emoji.json' AS named
JOIN read_images('emoji/img/twitter/64/*.png') AS images ON images.path = 'emoji/img/twitter/64/' || named.image
WHERE NOT EXISTS (SELECT 1 FROM emoji) ORDER BY sort_order;

-- Vectors: columns that follow what they are made of.
PULL MODEL 'all-MiniLM-L6-v2';
ALTER TABLE glosses ADD COLUMN IF NOT EXISTS v VECTOR(384)
    AS (embed_text(text, 'search_document', 384, 'all-MiniLM-L6-v2'));
PULL MODEL 'efficientnet-lite0';
ALTER TABLE emoji ADD COLUMN IF NOT EXISTS v VECTOR(1280)
    AS (embed_image(image, 1280, 'efficientnet-lite0'));

-- Maps, with topics, duplicates and neighbours.
CREATE MAP IF NOT EXISTS meanings ON glosses (v) WITH (text = 'text');
CREATE MAP IF NOT EXISTS pictures ON emoji (v) WITH (text = 'name');

-- What the texts are about.
SELECT size, topic_short AS topic, left(regexp_replace(topic_description, '^.*such as ', ''), 90) AS such_as
FROM meanings.topics WHERE depth = 1 ORDER BY size DESC;

-- And the pictures.
SELECT size, topic_short AS topic, left(regexp_replace(topic_description, '^.*such as ', ''), 90) AS such_as
FROM pictures.topics WHERE depth = 1 ORDER BY size DESC;

-- Pictures that are nearly the same.
SELECT count(*) AS pictures, left(string_agg(name, ', ' ORDER BY id), 120) AS names
FROM pictures WHERE cluster_id IS NOT NULL GROUP BY cluster_id ORDER BY pictures DESC, names LIMIT 6;

-- Search by meaning: hardly a word of the question is in the answers.
SELECT round(_distance, 3) AS distance, text
FROM vector_search('glosses', embed_text('where boats are safe from a storm', 'search_query', 384, 'all-MiniLM-L6-v2'),
    k => 5);

-- More like this one.
SELECT round(_distance, 3) AS distance, name, category
FROM nearest_to('emoji', (SELECT id FROM emoji WHERE name = 'bus'), k => 5);
