-- oldest code: 1
-- Code that knows only the schema before this starts a step when the one before it in its list has been tried. So let all
-- workers know it before the first chain is added.

-- What a step of a chain needs, and of which chain it is: a JSON object. Chains are compared, which the schema did not
-- foresee; to give the column another collation writes no row.
ALTER TABLE afterwards_tasks
    ALTER COLUMN chain TYPE text COLLATE "C",
    ADD COLUMN link text;

-- Prune: has all of this chain ended?
CREATE INDEX afterwards_chains ON afterwards_tasks (chain, ended)
WHERE chain IS NOT NULL;

-- Retry: which steps were cancelled, since this task was not done?
CREATE INDEX afterwards_broken_chains ON afterwards_tasks (after)
WHERE state = 'cancelled' AND link IS NOT NULL;
