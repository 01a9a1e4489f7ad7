-- The demo: real short texts with labels, as a table and as a file in place.

CREATE OR REPLACE TABLE glosses (
  id BIGINT PRIMARY KEY,
  word TEXT NOT NULL,
  label TEXT NOT NULL,
  text TEXT NOT NULL
);

INSERT INTO glosses SELECT id, word, label, text FROM 'data/glosses.csv';

-- The most frequent labels.
SELECT label, count(*) AS rows, min(word) AS first, max(word) AS last
FROM glosses GROUP BY label ORDER BY rows DESC, label LIMIT 8;

-- Words of the sea.
SELECT label, text FROM glosses WHERE text LIKE '% ship %' OR text LIKE '% sea %' ORDER BY word LIMIT 6;

-- Change rows, and look back.
UPDATE glosses SET word = upper(word) WHERE label = 'noun.phenomenon';
SELECT old.word AS before, new.word AS after
FROM glosses new JOIN glosses VERSION AS OF 2 AS old ON old.id = new.id
WHERE new.label = 'noun.phenomenon' ORDER BY 1 LIMIT 5;

-- The file itself, without a table.
SELECT count(*) AS rows, count(DISTINCT label) AS labels FROM 'data/glosses.csv';
