-- oldest code: 1
-- Code that knows only the schema before this starts tasks without asking what their quotas allow. It counts nothing,
-- but what it claims ends like any other, and it holds nobody at a gate.

-- What signed-on workers declare of functions and queues; the last to sign on decides.
CREATE TABLE afterwards_quotas (
    name TEXT NOT NULL PRIMARY KEY,  -- 'function:…' or 'queue:…'
    most INTEGER,
    rate INTEGER,
    period INTEGER,
    declared INTEGER NOT NULL,
    CHECK ((rate IS NULL) = (period IS NULL))
) STRICT;

ALTER TABLE afterwards_workers ADD COLUMN quotas TEXT NOT NULL DEFAULT '[]';  -- their names, a JSON list

-- By what a task is counted; whether its run is; and where it is held, best rank first, if it is.
ALTER TABLE afterwards_tasks ADD COLUMN limit_key TEXT NOT NULL DEFAULT '';
ALTER TABLE afterwards_tasks ADD COLUMN limited INTEGER NOT NULL DEFAULT 0;
ALTER TABLE afterwards_tasks ADD COLUMN gate TEXT;
ALTER TABLE afterwards_tasks ADD COLUMN gate_key TEXT;
ALTER TABLE afterwards_tasks ADD COLUMN rank INTEGER;

-- Claim: how many run behind this gate? Counted each time, so that no crash can leave it wrong.
CREATE INDEX afterwards_limited_functions ON afterwards_tasks (name, limit_key)
WHERE state = 'running' AND limited = 1;
CREATE INDEX afterwards_limited_queues ON afterwards_tasks (queue)
WHERE state = 'running' AND limited = 1;

-- Claim: who stands before this gate?
CREATE INDEX afterwards_gates ON afterwards_tasks (gate, gate_key, queue, rank, held)
WHERE held IN ('limit', 'rate');

-- When a gate may let somebody of a queue through: at once, where a run has ended; by the clock, where a rate holds.
CREATE TABLE afterwards_openings (
    sequence INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    gate TEXT NOT NULL,
    gate_key TEXT NOT NULL,
    opens INTEGER NOT NULL
) STRICT;

-- One for each, the earliest.
CREATE UNIQUE INDEX afterwards_one_opening ON afterwards_openings (gate, gate_key, queue);

-- Claim and wait: the next of the queues of a worker.
CREATE INDEX afterwards_next_opening ON afterwards_openings (queue, opens);

-- Under a rate: how many runs began, from an instant to another.
CREATE TABLE afterwards_passes (
    gate TEXT NOT NULL,
    gate_key TEXT NOT NULL,
    began INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    runs INTEGER NOT NULL,
    PRIMARY KEY (gate, gate_key, began)
) STRICT;

-- Prune by age.
CREATE INDEX afterwards_old_passes ON afterwards_passes (ended);

-- Whatever ends a run, also in a transaction of the user's: its gates may let the next one through.
CREATE TRIGGER afterwards_place_freed AFTER UPDATE OF state ON afterwards_tasks
WHEN OLD.state = 'running' AND OLD.limited = 1 AND NEW.state <> 'running'
BEGIN
    INSERT INTO afterwards_openings (queue, gate, gate_key, opens)
    SELECT OLD.queue, quota.name, iif(quota.name = 'queue:' || OLD.queue, '', OLD.limit_key), 0
    FROM afterwards_quotas AS quota
    WHERE quota.name IN ('function:' || OLD.name, 'queue:' || OLD.queue) AND quota.most IS NOT NULL
    AND EXISTS (
        SELECT 1 FROM afterwards_tasks AS task
        WHERE task.held IN ('limit', 'rate') AND task.gate = quota.name
        AND task.gate_key = iif(quota.name = 'queue:' || OLD.queue, '', OLD.limit_key)
    )
    ON CONFLICT (gate, gate_key, queue) DO UPDATE SET opens = min(opens, excluded.opens);
END;
