-- oldest code: 1
-- The tables carry a prefix, because the file may be shared with the user's own tables.

CREATE TABLE afterwards_store (
    id TEXT NOT NULL,  -- random: tells this store from every other
    shared INTEGER NOT NULL DEFAULT 0 CHECK (shared IN (0, 1))  -- the file held other tables before ours
) STRICT;

INSERT INTO afterwards_store (id) VALUES (lower(hex(randomblob(16))));

-- `sequence` is the store's own order: that of being stored. Instants are microseconds since 1970, UTC.
CREATE TABLE afterwards_tasks (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    arguments TEXT NOT NULL,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 9),
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
    held TEXT CHECK (held IN ('after', 'unknown', 'limit', 'rate')),
    after TEXT,
    due INTEGER NOT NULL,
    added INTEGER NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    run INTEGER NOT NULL DEFAULT 0 CHECK (run >= 0),
    crashes INTEGER NOT NULL DEFAULT 0,
    crashes_allowed INTEGER NOT NULL DEFAULT 3,
    suspect INTEGER NOT NULL DEFAULT 0 CHECK (suspect IN (0, 1)),
    freed INTEGER NOT NULL DEFAULT 0 CHECK (freed IN (0, 1)),
    stop_asked INTEGER NOT NULL DEFAULT 0 CHECK (stop_asked IN (0, 1)),
    worker TEXT,
    started INTEGER,
    ended INTEGER,
    retry TEXT,
    error TEXT,
    result TEXT,
    progress TEXT,
    key TEXT,
    deadline INTEGER,
    timeout INTEGER,
    trace TEXT,
    chain TEXT,
    CHECK (held IS NULL OR state = 'waiting'),
    CHECK ((worker IS NOT NULL) = (state = 'running')),
    CHECK ((ended IS NOT NULL) = (state IN ('done', 'failed', 'cancelled'))),
    CHECK (ended IS NULL OR freed = 1),
    CHECK (held IS NOT 'after' OR after IS NOT NULL)
) STRICT;

-- One index for each question, partial, so that a task is only in those that concern it now.

-- Claim: a line for every queue and priority, by due; the rowid at its end is the sequence.
CREATE INDEX afterwards_claimable ON afterwards_tasks (queue, priority, due)
WHERE state = 'waiting' AND held IS NULL AND suspect = 0;

-- The same for the few whose next crash would end them, since a worker takes one of these at a time.
CREATE INDEX afterwards_suspects ON afterwards_tasks (queue, priority, due)
WHERE state = 'waiting' AND held IS NULL AND suspect = 1;

-- Settle: who waits for this one?
CREATE INDEX afterwards_followers ON afterwards_tasks (after, queue)
WHERE held = 'after';

-- Sign on: what waits for a worker that knows this name?
CREATE INDEX afterwards_unknown ON afterwards_tasks (name, queue)
WHERE held = 'unknown';

-- Rescue and sign off: what does this worker run?
CREATE INDEX afterwards_running ON afterwards_tasks (worker)
WHERE state = 'running';

-- Prune by age; the state is in it for the census, which then reads no row.
CREATE INDEX afterwards_ended ON afterwards_tasks (ended, state)
WHERE ended IS NOT NULL;

-- People look for what waits, failed or was cancelled, the newest first. What is done is most of the table.
CREATE INDEX afterwards_waiting ON afterwards_tasks (sequence)
WHERE state = 'waiting';
CREATE INDEX afterwards_failed ON afterwards_tasks (sequence)
WHERE state = 'failed';
CREATE INDEX afterwards_cancelled ON afterwards_tasks (sequence)
WHERE state = 'cancelled';

CREATE TABLE afterwards_workers (
    id TEXT NOT NULL PRIMARY KEY,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    label TEXT NOT NULL,
    queues TEXT,  -- a JSON list; NULL when it serves all
    functions TEXT NOT NULL,
    signed_on INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    leaving INTEGER NOT NULL DEFAULT 0 CHECK (leaving IN (0, 1))
) STRICT;

CREATE TABLE afterwards_paused (
    queue TEXT NOT NULL PRIMARY KEY
) STRICT;
