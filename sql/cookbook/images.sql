-- Pictures: a classifier made of a text, where to draw its line, and pictures drawn by other hands.
-- Run it where the pictures are:
--     data/fetch emoji noto
--     cd ~/.cache/portolan/data && portolan images.db -f …/sql/cookbook/images.sql

-- 508 emoji: animals and plants, food, places and what takes you there. A vehicle is what Unicode calls
-- transport, traffic lights and petrol pumps among it.
CREATE TABLE emoji AS
SELECT sort_order AS id, lower(name) AS name, image AS file, subcategory LIKE 'transport-%' AS vehicle
FROM 'emoji/emoji.json'
WHERE category IN ('Animals & Nature', 'Food & Drink', 'Travel & Places') AND has_img_google;
SELECT vehicle, count(*) AS emoji, string_agg(name, ', ') FILTER (WHERE id % 20 = 0) AS some FROM emoji GROUP BY vehicle ORDER BY vehicle;

-- Pictures and texts in one space. This pair works without a network, but knows a thousand kinds of things, and
-- those from photographs: drawings are hard for it.
PULL MODEL 'imagenet-conse';
SET portolan.text_model = 'imagenet-conse';
CREATE TABLE twitter AS
SELECT id, name, vehicle, embed_image('emoji/img/twitter/64/' || file, 384, 'imagenet-conse') AS v FROM emoji;

-- A text is a classifier. It has scores at once, and labels as soon as it has a threshold.
CREATE CLASSIFIER vehicles USING TEXT 'a vehicle';
CREATE TABLE scored AS SELECT id, name, vehicle, classify(v, 'vehicles')['score'] AS score FROM twitter;
SELECT name, vehicle, round(score, 3) AS score FROM scored ORDER BY score DESC LIMIT 8;

-- How the scores are spread: a # is a vehicle, a dot two others.
SELECT floor(score * 20) / 20 AS score, repeat('#', CAST(sum(CAST(vehicle AS INT)) AS INT))
    || repeat('.', CAST(sum(CAST(NOT vehicle AS INT)) AS INT) / 2) AS spread
FROM scored GROUP BY 1 ORDER BY 1;

-- Where to draw the line? One half of the rows is to choose by, the other to be judged by. Each line has its
-- price: the lower, the more vehicles are found, and the more others with them.
SELECT line, count(*) FILTER (WHERE score >= line) AS taken, round(precision(score >= line, vehicle), 3) AS precision,
    round(recall(score >= line, vehicle), 3) AS recall, round(f1(score >= line, vehicle), 3) AS f1
FROM scored, (SELECT unnest([0.2, 0.25, 0.3, 0.35, 0.4, 0.45]) AS line)
WHERE id % 2 = 0 GROUP BY line ORDER BY line;
SELECT round(best_threshold(score, vehicle), 3) AS best_f1,
    round(best_threshold(score, vehicle, precision => 0.75), 3) AS three_in_four_right
FROM scored WHERE id % 2 = 0;
CREATE OR REPLACE CLASSIFIER vehicles USING TEXT 'a vehicle' THRESHOLD 0.315;

-- How good that is, on the other half. A coin that says vehicle as often has a precision of by_chance.
SELECT round(precision(said['label'], vehicle), 3) AS precision, round(recall(said['label'], vehicle), 3) AS recall,
    round(f1(said['label'], vehicle), 3) AS f1, round(roc_auc(said['score'], vehicle), 3) AS roc_auc,
    round(avg(CAST(vehicle AS INT)), 3) AS by_chance
FROM (SELECT vehicle, classify(v, 'vehicles') AS said FROM twitter WHERE id % 2 = 1);

-- A second data set: the same emoji as Google draws them, with light and shade. The model finds these easier,
-- scores are higher, and the old line lets too many others in.
CREATE TABLE noto AS
SELECT id, name, vehicle, embed_image('noto/img/google/64/' || file, 384, 'imagenet-conse') AS v FROM emoji;
CREATE TABLE scored_noto AS SELECT id, vehicle, classify(v, 'vehicles')['score'] AS score FROM noto;
SELECT floor(score * 20) / 20 AS score, repeat('#', CAST(sum(CAST(vehicle AS INT)) AS INT))
    || repeat('.', CAST(sum(CAST(NOT vehicle AS INT)) AS INT) / 2) AS spread
FROM scored_noto GROUP BY 1 ORDER BY 1;
SELECT line, round(max(threshold), 3) AS threshold, round(precision(score >= threshold, vehicle), 3) AS precision,
    round(recall(score >= threshold, vehicle), 3) AS recall, round(f1(score >= threshold, vehicle), 3) AS f1
FROM scored_noto, (SELECT 'of Twitter''s' AS line, threshold FROM portolan.classifiers WHERE name = 'vehicles'
    UNION ALL SELECT 'its own', best_threshold(score, vehicle) FROM scored_noto WHERE id % 2 = 0)
WHERE id % 2 = 1 GROUP BY line ORDER BY line;

-- With labels: trained on one half of Twitter's pictures, by what an image model sees before it is put in words.
PULL MODEL 'efficientnet-lite0';
CREATE TABLE features AS
SELECT id, vehicle, embed_image('emoji/img/twitter/64/' || file, 1280, 'efficientnet-lite0') AS twitter,
    embed_image('noto/img/google/64/' || file, 1280, 'efficientnet-lite0') AS noto
FROM emoji;
CREATE CLASSIFIER vehicles_trained ON (SELECT twitter, vehicle FROM features WHERE id % 2 = 0);
SELECT name, method, round(threshold, 3) AS threshold, round(f1, 3) AS held_out_f1 FROM portolan.classifiers ORDER BY name;

-- It is better on both, on rows that it has not seen, though it has never seen one of Google's.
CREATE TABLE trained AS
SELECT 'Twitter' AS hand, id, vehicle, classify(twitter, 'vehicles_trained')['score'] AS score FROM features
UNION ALL SELECT 'Google', id, vehicle, classify(noto, 'vehicles_trained')['score'] FROM features;
SELECT hand, round(precision(score >= threshold, vehicle), 3) AS precision, round(recall(score >= threshold, vehicle), 3) AS recall,
    round(f1(score >= threshold, vehicle), 3) AS f1, round(roc_auc(score, vehicle), 3) AS roc_auc
FROM trained, (SELECT threshold FROM portolan.classifiers WHERE name = 'vehicles_trained')
WHERE id % 2 = 1 GROUP BY hand ORDER BY hand DESC;

-- And there, too, Google's have a line of their own, which costs the labels of the other half and no training.
SELECT round(max(own), 3) AS threshold, round(precision(score >= own, vehicle), 3) AS precision,
    round(recall(score >= own, vehicle), 3) AS recall, round(f1(score >= own, vehicle), 3) AS f1
FROM trained, (SELECT best_threshold(score, vehicle) AS own FROM trained WHERE hand = 'Google' AND id % 2 = 0)
WHERE hand = 'Google' AND id % 2 = 1;

-- What it gets most wrong: vehicles that it misses, and others that it takes for some.
SELECT name, trained.vehicle, round(score, 3) AS probability
FROM trained JOIN emoji ON emoji.id = trained.id
WHERE hand = 'Google' AND trained.id % 2 = 1
ORDER BY abs(score - CAST(trained.vehicle AS INT)) DESC LIMIT 8;
