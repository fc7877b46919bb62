-- oldest code: 1
-- Code that knows only the schemas before writes no keys. What it prunes lets go of its key early.

-- How long after its end a task holds its key; NULL: not at all.
ALTER TABLE afterwards_tasks ADD COLUMN unique_for INTEGER;

-- Which task took a key last, and so holds it as long as it has not ended. `until` is for tasks that have been pruned.
CREATE TABLE afterwards_keys (
    name TEXT NOT NULL,
    key TEXT NOT NULL,
    task TEXT NOT NULL,
    until INTEGER,
    PRIMARY KEY (name, key)
) STRICT;

-- Prune: which of them are over?
CREATE INDEX afterwards_keys_until ON afterwards_keys (until)
WHERE until IS NOT NULL;

-- The ids of calls that were not stored, since a task held their key: other names of that task.
CREATE TABLE afterwards_twins (
    id TEXT NOT NULL PRIMARY KEY,
    task TEXT NOT NULL
) STRICT;

-- Prune and move: what other names has it?
CREATE INDEX afterwards_twins_of ON afterwards_twins (task);
