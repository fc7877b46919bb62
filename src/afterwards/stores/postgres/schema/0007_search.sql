-- oldest code: 1
-- Code that knows only the schema before asks nothing of these. What it writes is in them all the same.

-- People look for what failed of one class of error.
CREATE INDEX afterwards_errors ON afterwards_tasks (((error::json ->> 'kind') COLLATE "C"), state, sequence)
WHERE error IS NOT NULL;

-- And for all that there was under a key, of which afterwards_keys knows the holder only.
CREATE INDEX afterwards_of_key ON afterwards_tasks (key, sequence)
WHERE key IS NOT NULL;
