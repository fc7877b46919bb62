-- The statements that are written into transactions of the user's, by name. They go through whichever driver the user
-- has, so every value is a text, cast twice: some drivers say `text` of it by themselves, and others ask the server.
-- No NOTIFY stands here: it would take a lock on the whole database at the user's commit.
--
-- A `fragment` is a text that several statements share; `{its name}` stands for it.

-- fragment: now
-- The store's clock, as its own statements take it.
(statement_timestamp() + CAST(CAST(:offset AS text) AS interval))

-- fragment: is_here
-- Whether this is the database of the store: on any other nothing is changed.
EXISTS (SELECT 1 FROM afterwards_store AS store WHERE store.id = CAST(:store AS text))

-- name: join_calls
-- The rows that `add_calls` writes for calls that wait and stand in no line. Steps are held after what they need, which
-- comes in the same transaction.
INSERT INTO afterwards_tasks (
    id, name, arguments, queue, priority, state, held, after, due, added, crashes_allowed, retry, timeout, deadline,
    trace, key, unique_for, keeps, limit_key, chain, link
)
SELECT
    id, name, arguments, queue, priority, 'waiting', held, after,
    coalesce(due, least({now} + delay, timestamptz '9999-12-31 23:59:59.999999+00')), {now}, crashes_allowed, retry,
    timeout, CASE WHEN time_left IS NULL THEN deadline
        ELSE least({now} + time_left, timestamptz '9999-12-31 23:59:59.999999+00')
    END, trace, key, unique_for, keeps, limit_key, chain, link
FROM json_to_recordset(CAST(CAST(:calls AS text) AS json)) AS call (
    place integer, id uuid, name text, arguments text, queue text, priority smallint, after uuid, due timestamptz,
    delay interval, crashes_allowed integer, retry text, timeout interval, deadline timestamptz, time_left interval,
    trace text, key text, unique_for interval, keeps text, limit_key text, chain text, link text,
    held text
)
WHERE {is_here}
ORDER BY place

-- fragment: is_its_key
-- The key of one call.
held.name = CAST(:name AS text) AND held.key = CAST(:key AS text)

-- name: join_lock_key
-- As `lock_keys` does, until the user's transaction ends.
INSERT INTO afterwards_keys AS held (name, key, task)
SELECT CAST(:name AS text), CAST(:key AS text), CAST(CAST(:id AS text) AS uuid) WHERE {is_here}
ON CONFLICT (name, key) DO UPDATE SET task = held.task

-- name: join_twin
-- If somebody holds the key that the statement before has locked. A holder that could be claimed is locked as well, so
-- that it runs after the user's transaction, whose rows it may be about.
WITH holder AS MATERIALIZED (
    SELECT held.task FROM afterwards_keys AS held LEFT JOIN afterwards_tasks AS task ON task.id = held.task
    WHERE {is_its_key} AND held.task <> CAST(CAST(:id AS text) AS uuid)
    AND CASE WHEN task.id IS NULL THEN held.until > {now}
        ELSE task.ended IS NULL OR task.ended + task.unique_for > {now}
    END
),
locked AS (
    UPDATE afterwards_tasks AS task SET key = task.key FROM holder
    WHERE task.id = holder.task AND task.state = 'waiting' AND task.held IS NULL
)
INSERT INTO afterwards_twins (id, task) SELECT CAST(CAST(:id AS text) AS uuid), task FROM holder

-- name: join_take_key
-- If nobody does.
UPDATE afterwards_keys AS held SET task = CAST(CAST(:id AS text) AS uuid), until = NULL WHERE {is_its_key}

-- name: join_ending
-- A run is done; fenced like every write about a run.
UPDATE afterwards_tasks
SET state = 'done', started = greatest({now} - CAST(CAST(:took AS text) AS interval), timestamptz 'epoch'),
    ended = {now}, freed = true, error = NULL, result = NULL, worker = NULL,
    progress = coalesce(nullif(CAST(:progress AS text), ''), progress)
WHERE id = CAST(CAST(:id AS text) AS uuid) AND state = 'running' AND run = CAST(CAST(:run AS text) AS bigint)
AND worker = CAST(:worker AS text) AND {is_here}

-- name: join_release
-- After it, in the same transaction: who was held after this task in a line, as `is_step` tells it in queries.sql. No
-- step of a chain needs it: see done_in.
UPDATE afterwards_tasks SET held = NULL
WHERE held = 'after' AND after = CAST(CAST(:id AS text) AS uuid)
AND (link IS NULL OR position('"needs":["' IN link) = 0)

-- name: join_proof
-- Whether this is the database of the store, asked by a change that changes nothing: every driver counts those.
UPDATE afterwards_store SET id = id WHERE id = CAST(:store AS text)
