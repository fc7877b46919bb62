-- oldest code: 1
-- Code that knows only the schemas before writes no keys. What it prunes lets go of its key early.

-- How long after its end a task holds its key; NULL: not at all.
ALTER TABLE afterwards_tasks ADD COLUMN unique_for interval;

-- Which task took a key last, and so holds it as long as it has not ended. `until` is for tasks that have been pruned.
CREATE TABLE afterwards_keys (
    name text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    task uuid NOT NULL,
    until timestamptz,
    PRIMARY KEY (name, key)
) WITH (fillfactor = 80, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_scale_factor = 0.01);

-- Prune: which of them are over?
CREATE INDEX afterwards_keys_until ON afterwards_keys (until)
WHERE until IS NOT NULL;

-- The ids of calls that were not stored, since a task held their key: other names of that task.
CREATE TABLE afterwards_twins (
    id uuid NOT NULL PRIMARY KEY,
    task uuid NOT NULL
) WITH (autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_scale_factor = 0.01);

-- Prune and move: what other names has it?
CREATE INDEX afterwards_twins_of ON afterwards_twins (task);
