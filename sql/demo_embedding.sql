-- The demo, second part: texts become vectors.

PULL MODEL 'all-MiniLM-L6-v2';
SET portolan.text_model = 'all-MiniLM-L6-v2';

-- Every row is embedded once; run it again, and the vectors come from the cache.
ALTER TABLE glosses ADD COLUMN IF NOT EXISTS v VECTOR(384) AS (embed_text(text));

-- Search by meaning: no word of the question is in the answers.
SELECT round(array_distance(v, embed_text('where boats are safe from a storm', 'search_query')), 3) AS distance, text
FROM glosses ORDER BY distance LIMIT 5;
