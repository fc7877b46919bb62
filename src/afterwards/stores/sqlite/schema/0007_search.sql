-- oldest code: 1
-- Code that knows only the schema before asks nothing of these. What it writes is in them all the same.

-- The class of the last error, made of what is stored when it is asked for.
ALTER TABLE afterwards_tasks ADD COLUMN kind TEXT GENERATED ALWAYS AS (json_extract(error, '$.kind')) VIRTUAL;

-- People look for what failed of one class of error; the sequence is at the end of each.
CREATE INDEX afterwards_errors ON afterwards_tasks (kind, state)
WHERE error IS NOT NULL;

-- And for all that there was under a key, of which afterwards_keys knows the holder only.
CREATE INDEX afterwards_of_key ON afterwards_tasks (key)
WHERE key IS NOT NULL;
