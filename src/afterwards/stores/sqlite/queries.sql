-- Every statement of the store, by name. Most that bring many rows bring them as one row of JSON: sqlite3 drops the GIL
-- for every row it steps to, and a busy event loop takes up to 5 ms to hand it back. For the same reason a statement
-- takes its whole list at once, as one JSON parameter. `:now` is the store's clock in microseconds.
--
-- A `fragment` is a text that several statements share; `{its name}` stands for it.

-- fragment: claimable_tasks
-- What may be claimed, by its index. That is named, here and wherever a question has an index of its own: left alone,
-- SQLite may take another that seems as good while the table is small. A statement goes on with AND.
afterwards_tasks INDEXED BY afterwards_claimable WHERE state = 'waiting' AND held IS NULL AND suspect = 0

-- fragment: suspects
-- The same for those whose next crash would end them.
afterwards_tasks INDEXED BY afterwards_suspects WHERE state = 'waiting' AND held IS NULL AND suspect = 1

-- fragment: running_tasks
-- What runs, by its index.
afterwards_tasks INDEXED BY afterwards_running WHERE state = 'running'

-- fragment: unknown_tasks
-- What waits for a worker that knows its name, by its index.
afterwards_tasks INDEXED BY afterwards_unknown WHERE held = 'unknown'

-- fragment: held_tasks
-- What stands before a gate, by its index.
afterwards_tasks INDEXED BY afterwards_gates WHERE held IN ('limit', 'rate')

-- fragment: is_limited
-- Whether a quota counts the runs of this `task`.
EXISTS (
    SELECT 1 FROM afterwards_quotas AS quota WHERE quota.name IN ('function:' || task.name, 'queue:' || task.queue)
)

-- fragment: openings
-- When the first gate opens, in each queue of this worker; a jump from queue to queue.
opening_queue (queue) AS (
    SELECT min(queue) FROM afterwards_openings
    UNION ALL
    SELECT (SELECT min(next.queue) FROM afterwards_openings AS next WHERE next.queue > opening_queue.queue)
    FROM opening_queue WHERE queue IS NOT NULL
),
own_opening_queue AS (
    SELECT queue FROM (SELECT queue, :worker AS claimer FROM opening_queue WHERE queue IS NOT NULL)
    WHERE {open_to_claimer}
),
opening AS (
    SELECT (
        SELECT opens FROM afterwards_openings WHERE queue = own.queue AND {is_known_gate} ORDER BY opens LIMIT 1
    ) AS opens
    FROM own_opening_queue AS own
)

-- fragment: is_known_gate
-- Behind it stand functions that this worker knows, as far as the gate says.
gate NOT IN (SELECT 'function:' || value FROM json_each(:unknown))

-- fragment: open_to_claimer
-- The rule of who may claim what, in one place: `queue` is not paused, and served by `claimer`, who has signed on.
queue NOT IN (SELECT paused.queue FROM afterwards_paused AS paused)
AND EXISTS (
    SELECT 1 FROM afterwards_workers AS w
    WHERE w.id = claimer AND w.leaving = 0
    AND (w.queues IS NULL OR queue IN (SELECT served.value FROM json_each(w.queues) AS served))
)

-- fragment: lines
-- A line is the claimable tasks of one queue and priority: one range of the index. Each step jumps to the first entry
-- of the next line, in the same queue or else in the next, so that ten lines with a million tasks cost twenty look-ups.
-- (Two, because of `(queue, priority) > (…, …)` SQLite would use the first half alone.) `due` is that of the line's
-- first task, so that a line of tasks due tomorrow is passed over at its head.
line (queue, priority, due) AS (
    SELECT * FROM (
        SELECT queue, priority, due FROM {claimable_tasks} ORDER BY queue, priority, due LIMIT 1
    )
    UNION ALL
    SELECT head.queue, head.priority, head.due FROM line
    CROSS JOIN afterwards_tasks AS head ON head.sequence = coalesce(
        (
            SELECT sequence FROM {claimable_tasks}
            AND queue = line.queue AND priority > line.priority ORDER BY priority, due LIMIT 1
        ),
        (
            SELECT sequence FROM {claimable_tasks}
            AND queue > line.queue ORDER BY queue, priority, due LIMIT 1
        )
    )
)

-- fragment: task
-- One task as the JSON list that rows.py reads, in its order.
json_array(
    id, name, arguments, queue, priority, state, held, after, due, added, attempt, run, crashes, crashes_allowed,
    suspect, freed, worker, started, ended, error, result, progress, key, stop_asked, retry, timeout,
    deadline, unique_for, trace, keeps, logs, limit_key, limited, link
)

-- fragment: whole_task
-- The same for who looks at it: with its tries, of which a worker need not know.
json_insert({task}, '$[#]', tries)

-- fragment: noted_tries
-- The tries of this `task`, and one more: when it `began`, when it was `over`, `how` it ended and with which `failure`, says
-- what it is selected from. Twenty are kept; they are counted on, so that the first says how many are not.
json_insert(
    iif(json_array_length(task.tries) >= 20, json_remove(task.tries, '$[0]'), coalesce(task.tries, '[]')),
    '$[#]',
    json_object(
        'run', task.run, 'number', coalesce(json_extract(task.tries, '$[#-1].number'), 0) + 1, 'attempt', task.attempt,
        'started', began, 'ended', over, 'ending', how,
        'kind', json_extract(failure, '$.kind'),
        'message', iif(
            length(json_extract(failure, '$.message')) > 500,
            substr(json_extract(failure, '$.message'), 1, 499) || '…',
            json_extract(failure, '$.message')
        )
    )
)

-- fragment: tries_with_the_last
-- The tries of this `task`, which has ended and is to wait again: with its last run, if it had one that is not among them.
iif(
    task.started IS NOT NULL AND json_extract(task.tries, '$[#-1].run') IS NOT task.run,
    (
        SELECT {noted_tries} FROM (
            SELECT
                task.started AS began, task.ended AS over, task.state AS how,
                iif(task.state = 'failed', task.error, NULL) AS failure
        )
    ),
    task.tries
)

-- name: open_doors
-- Of these doors, each a claimer with a queue and a function, those where the claimer may claim at once. What a quota
-- counts is claimed by `claim` alone.
SELECT json_group_array(json_array(claimer, queue, name)) FROM (
    SELECT
        json_extract(value, '$[0]') AS claimer, json_extract(value, '$[1]') AS queue,
        json_extract(value, '$[2]') AS name
    FROM json_each(:doors)
) AS task
WHERE {open_to_claimer} AND NOT {is_limited}

-- name: formers
-- Of these tasks, those that are stored, and whether their turn is over.
SELECT json_group_array(json_array(id, freed)) FROM afterwards_tasks WHERE id IN (SELECT value FROM json_each(:ids))

-- name: add_calls
-- All calls of one write in one statement, with a row of values for each: bound values cost half of what taking JSON
-- apart does. What is claimed in the same write goes in as running and never touches the claim index.
INSERT INTO afterwards_tasks (
    id, name, arguments, queue, priority, state, held, after, due, added, attempt, run, crashes_allowed, retry,
    worker, started, timeout, deadline, key, unique_for, trace, keeps, limit_key, chain, link
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING

-- name: added_among
-- Which calls the rows just written are, where some had been stored before: those are not handed out once more.
SELECT json_group_array(id) FROM afterwards_tasks NOT INDEXED WHERE sequence BETWEEN :first AND :last

-- name: known_calls
-- Of these ids, those that are stored, each with the task that it names: itself, or the one whose twin it is.
SELECT json_group_array(json_array(id, task)) FROM (
    SELECT id, id AS task FROM afterwards_tasks WHERE id IN (SELECT value FROM json_each(:ids))
    UNION ALL SELECT id, task FROM afterwards_twins WHERE id IN (SELECT value FROM json_each(:ids))
)

-- name: held_keys
-- Of these keys, those that are held now, and by which task, as it stands.
SELECT json_group_array(json_array(held.name, held.key, held.task, task.state)) FROM json_each(:keys) AS wanted
CROSS JOIN afterwards_keys AS held
ON held.name = json_extract(wanted.value, '$[0]') AND held.key = json_extract(wanted.value, '$[1]')
LEFT JOIN afterwards_tasks AS task ON task.id = held.task
WHERE iif(task.id IS NULL, held.until > :now, task.ended IS NULL OR task.ended + task.unique_for > :now)

-- name: take_keys
-- For tasks that are stored in the same transaction, which has just found that nobody holds these.
INSERT INTO afterwards_keys (name, key, task) VALUES (?, ?, ?)
ON CONFLICT (name, key) DO UPDATE SET task = excluded.task, until = NULL

-- name: add_twins
-- Other names of tasks.
INSERT INTO afterwards_twins (id, task) VALUES (?, ?) ON CONFLICT (id) DO NOTHING

-- name: replace_task
-- A waiting task takes on another call. Its id, its run, its hold and its place in its line stay; but it passes its gates
-- anew, which may be others.
UPDATE afterwards_tasks
SET arguments = :arguments, queue = :queue, priority = :priority, due = :due, deadline = :deadline, retry = :retry,
    timeout = :timeout, crashes_allowed = :crashes_allowed, trace = :trace, keeps = :keeps, attempt = 0, crashes = 0,
    suspect = 0, started = NULL, error = NULL, result = NULL, progress = NULL, logs = NULL, tries = NULL,
    limit_key = :limit_key, held = iif(held IN ('limit', 'rate'), NULL, held), gate = NULL, gate_key = NULL, rank = NULL
WHERE id = :id AND state = 'waiting'

-- name: find_claimable
-- The best `limit` of the due tasks this worker may have, best rank first. Within a line the order by rank is the
-- order by due, so the best of all are among the first `limit` of each; the lines are then merged. An index range for
-- each line that has something due, and no row is read that is not a candidate: tasks due tomorrow, held ones and the
-- backlogs of other queues cost nothing. A suspect takes part in the merge like the head of a line of its own. Each
-- comes with what its quotas count it by, and whether its function and its queue have one. First of all comes what may
-- have stood before a gate for longer: null, if a gate is to open, and the claim `asks` for that.
WITH RECURSIVE {lines},
{openings},
mine AS MATERIALIZED (
    SELECT queue, priority FROM (SELECT line.*, :worker AS claimer FROM line)
    WHERE due <= :now AND {open_to_claimer}
),
suspect AS (
    SELECT sequence, due - priority * 60000000 AS rank
    FROM (SELECT *, :worker AS claimer FROM {suspects} AND :suspects AND due <= :now)
    WHERE name NOT IN (SELECT value FROM json_each(:unknown)) AND {open_to_claimer}
    ORDER BY rank, sequence LIMIT 1
),
candidate AS (
    SELECT task.sequence, task.due - task.priority * 60000000 AS rank
    FROM mine CROSS JOIN afterwards_tasks AS task ON task.sequence IN (
        SELECT sequence FROM {claimable_tasks}
        AND queue = mine.queue AND priority = mine.priority AND due <= :now
        AND name NOT IN (SELECT value FROM json_each(:unknown))
        ORDER BY due, sequence LIMIT :limit
    )
    UNION ALL
    SELECT sequence, rank FROM suspect
)
SELECT CASE WHEN :asks AND EXISTS (SELECT 1 FROM opening WHERE opens <= :now) THEN 'null' ELSE (
    SELECT json_group_array(json_array(sequence, name, queue, limit_key, of_function, of_queue)) FROM (
        SELECT
            task.sequence, task.name, task.queue, task.limit_key,
            EXISTS (SELECT 1 FROM afterwards_quotas WHERE name = 'function:' || task.name) AS of_function,
            EXISTS (SELECT 1 FROM afterwards_quotas WHERE name = 'queue:' || task.queue) AS of_queue
        FROM (SELECT sequence FROM candidate ORDER BY rank, sequence LIMIT :limit) AS chosen
        CROSS JOIN afterwards_tasks AS task ON task.sequence = chosen.sequence
    )
) END

-- name: claim_tasks
-- The claim itself. By sequence alone: the same transaction has just found them claimable, and holds the write lock.
UPDATE afterwards_tasks
SET state = 'running', held = NULL, worker = :worker, run = run + 1, attempt = attempt + 1, started = :now,
    progress = NULL, limited = sequence IN (SELECT value FROM json_each(:limited))
WHERE sequence IN (SELECT value FROM json_each(:sequences))

-- name: read_tasks
-- In the order of the list, which is that of their ranks.
SELECT json_group_array({task}) FROM (
    SELECT afterwards_tasks.* FROM json_each(:sequences) AS wanted
    CROSS JOIN afterwards_tasks ON sequence = wanted.value ORDER BY wanted.key
)

-- name: read_whole_tasks
-- The same for who looks at them.
SELECT json_group_array({whole_task}) FROM (
    SELECT afterwards_tasks.* FROM json_each(:sequences) AS wanted
    CROSS JOIN afterwards_tasks ON sequence = wanted.value ORDER BY wanted.key
)

-- name: next_due
-- When the first task is due that this worker could claim; NULL when there is none. The heads of its lines, past the
-- names it does not know, and the suspects, if it would take one; and the gates that open.
WITH RECURSIVE {lines},
{openings}
SELECT min(due) FROM (
    SELECT (
        SELECT due FROM {claimable_tasks}
        AND queue = mine.queue AND priority = mine.priority
        AND name NOT IN (SELECT value FROM json_each(:unknown))
        ORDER BY due LIMIT 1
    ) AS due
    FROM (SELECT line.*, :worker AS claimer FROM line) AS mine WHERE {open_to_claimer}
    UNION ALL
    SELECT due FROM (SELECT *, :worker AS claimer FROM {suspects} AND :suspects)
    WHERE {open_to_claimer} AND name NOT IN (SELECT value FROM json_each(:unknown))
    UNION ALL
    SELECT opens FROM opening
)

-- name: count_gates
-- These gates as they stand, those that have a quota: what runs, what began within the period of its rate, and when the
-- first of that was. Passes that are counted as one began soon after one another, which bounds the range.
SELECT json_group_array(json_array(gate, gate_key, most, running, rate, period, begun, first)) FROM (
    SELECT
        stands.gate, stands.gate_key, quota.most, quota.rate, quota.period,
        iif(
            stands.gate LIKE 'function:%',
            (
                SELECT count(*) FROM afterwards_tasks INDEXED BY afterwards_limited_functions
                WHERE state = 'running' AND limited = 1
                AND name = substr(stands.gate, 10) AND limit_key = stands.gate_key
            ),
            (
                SELECT count(*) FROM afterwards_tasks INDEXED BY afterwards_limited_queues
                WHERE state = 'running' AND limited = 1 AND queue = substr(stands.gate, 7)
            )
        ) AS running,
        (
            SELECT coalesce(sum(pass.runs), 0) FROM afterwards_passes AS pass
            WHERE pass.gate = stands.gate AND pass.gate_key = stands.gate_key
            AND pass.began >= :now - quota.period - quota.period / 500 AND pass.ended > :now - quota.period
        ) AS begun,
        (
            SELECT min(pass.ended) FROM afterwards_passes AS pass
            WHERE pass.gate = stands.gate AND pass.gate_key = stands.gate_key
            AND pass.began >= :now - quota.period - quota.period / 500 AND pass.ended > :now - quota.period
        ) AS first
    FROM (
        SELECT json_extract(value, '$[0]') AS gate, json_extract(value, '$[1]') AS gate_key FROM json_each(:gates)
    ) AS stands
    CROSS JOIN afterwards_quotas AS quota ON quota.name = stands.gate
)

-- name: hold_at_gates
-- They leave the claim index, and are not looked at again until their gate opens.
UPDATE afterwards_tasks AS task
SET held = json_extract(closed.value, '$[3]'),
    gate = json_extract(closed.value, '$[1]'),
    gate_key = json_extract(closed.value, '$[2]'),
    rank = task.due - task.priority * 60000000
FROM json_each(:closed) AS closed
WHERE task.sequence = json_extract(closed.value, '$[0]')

-- name: join_pass
-- Runs that begin soon after the last ones that passed this gate are counted with those.
UPDATE afterwards_passes SET ended = max(ended, :now), runs = runs + :runs
WHERE gate = :gate AND gate_key = :key AND began >= :now - :bucket AND began = (
    SELECT max(last.began) FROM afterwards_passes AS last WHERE last.gate = :gate AND last.gate_key = :key
)

-- name: add_pass
-- Others stand for themselves.
INSERT INTO afterwards_passes (gate, gate_key, began, ended, runs) VALUES (:gate, :key, :now, :now, :runs)

-- name: forget_passes
-- What this gate needs not count any more.
DELETE FROM afterwards_passes WHERE gate = :gate AND gate_key = :key AND began < :now - 2 * :period

-- name: find_openings
-- Gates that may let somebody of a queue of this worker through now.
WITH RECURSIVE {openings}
SELECT json_group_array(json_array(sequence, gate, gate_key, queue)) FROM (
    SELECT due.* FROM own_opening_queue AS own
    CROSS JOIN afterwards_openings AS due ON due.queue = own.queue AND due.opens <= :now AND {is_known_gate}
    LIMIT :limit
)

-- name: end_openings
-- They have been looked at.
DELETE FROM afterwards_openings WHERE sequence IN (SELECT value FROM json_each(:sequences))

-- name: let_through
-- The best of those who stand before a gate, in one queue, may be claimed again.
UPDATE afterwards_tasks SET held = NULL, gate = NULL, gate_key = NULL, rank = NULL WHERE sequence IN (
    SELECT sequence FROM {held_tasks} AND gate = :gate AND gate_key = :key AND queue = :queue
    AND name NOT IN (SELECT value FROM json_each(:unknown))
    ORDER BY rank, sequence LIMIT :room
)

-- name: open_gate
-- In every queue from which somebody stands before it, but one; a jump from queue to queue.
WITH RECURSIVE standing (queue) AS (
    SELECT min(queue) FROM {held_tasks} AND gate = :gate AND gate_key = :key
    UNION ALL
    SELECT (SELECT min(queue) FROM {held_tasks} AND gate = :gate AND gate_key = :key AND queue > standing.queue)
    FROM standing WHERE queue IS NOT NULL
)
INSERT INTO afterwards_openings (queue, gate, gate_key, opens)
SELECT queue, :gate, :key, :opens FROM standing WHERE queue IS NOT NULL AND queue IS NOT :unless
ON CONFLICT (gate, gate_key, queue) DO UPDATE SET opens = min(opens, excluded.opens)

-- name: open_quota
-- All its gates at which somebody stands, since what it allows has changed.
WITH RECURSIVE standing (gate_key, queue) AS (
    SELECT * FROM (
        SELECT gate_key, queue FROM {held_tasks} AND gate = :gate ORDER BY gate_key, queue LIMIT 1
    )
    UNION ALL
    SELECT head.gate_key, head.queue FROM standing CROSS JOIN afterwards_tasks AS head ON head.sequence = coalesce(
        (
            SELECT sequence FROM {held_tasks} AND gate = :gate
            AND gate_key = standing.gate_key AND queue > standing.queue ORDER BY queue LIMIT 1
        ),
        (
            SELECT sequence FROM {held_tasks} AND gate = :gate
            AND gate_key > standing.gate_key ORDER BY gate_key, queue LIMIT 1
        )
    )
)
INSERT INTO afterwards_openings (queue, gate, gate_key, opens)
SELECT queue, :gate, gate_key, 0 FROM standing WHERE true
ON CONFLICT (gate, gate_key, queue) DO UPDATE SET opens = min(opens, excluded.opens)

-- name: standing_gates
-- Gates at which somebody stands, from one on: a jump from gate to gate.
WITH RECURSIVE standing (gate, gate_key) AS (
    SELECT :gate, :key
    UNION ALL
    SELECT head.gate, head.gate_key FROM standing CROSS JOIN afterwards_tasks AS head ON head.sequence = coalesce(
        (
            SELECT sequence FROM {held_tasks}
            AND gate = standing.gate AND gate_key > standing.gate_key ORDER BY gate_key LIMIT 1
        ),
        (SELECT sequence FROM {held_tasks} AND gate > standing.gate ORDER BY gate, gate_key LIMIT 1)
    )
)
SELECT json_group_array(json_array(gate, gate_key)) FROM (
    SELECT gate, gate_key FROM standing LIMIT :limit OFFSET 1
)

-- name: list_quotas
-- By name, as workers declared them.
SELECT json_group_array(json_array(name, most, rate, period)) FROM (SELECT * FROM afterwards_quotas ORDER BY name)

-- name: declare_quota
-- The last to sign on decides.
INSERT INTO afterwards_quotas (name, most, rate, period, declared) VALUES (:name, :most, :rate, :period, :now)
ON CONFLICT (name) DO UPDATE SET most = excluded.most, rate = excluded.rate, period = excluded.period,
    declared = excluded.declared

-- name: limit_running
-- What was claimed while nothing was declared counts too.
UPDATE afterwards_tasks SET limited = 1 WHERE sequence IN (
    SELECT task.sequence FROM afterwards_tasks AS task INDEXED BY afterwards_running
    WHERE task.state = 'running' AND task.limited = 0 AND {is_limited}
)

-- name: undeclared_quotas
-- What nobody who is signed on declares any more. One that has just been declared may be its worker's first word.
SELECT json_group_array(name) FROM afterwards_quotas WHERE declared < :before AND name NOT IN (
    SELECT declared.value FROM afterwards_workers AS worker, json_each(worker.quotas) AS declared
)

-- name: forget_quota
-- Its limit and its rate are gone.
DELETE FROM afterwards_quotas WHERE name = :gate

-- name: forget_old_passes
-- Of gates that nobody passes any more; no rate looks back further.
DELETE FROM afterwards_passes WHERE rowid IN (
    SELECT rowid FROM afterwards_passes INDEXED BY afterwards_old_passes WHERE ended < :before LIMIT :limit
)

-- name: held_claims
-- Which outcomes still hold their claim: every write about a run is fenced by (id, run, worker). What follows in this
-- transaction may then go by the sequence.
SELECT json_group_array(json_array(claim.key, task.sequence, task.stop_asked)) FROM json_each(:claims) AS claim
CROSS JOIN afterwards_tasks AS task ON task.id = json_extract(claim.value, '$[0]')
WHERE task.state = 'running'
AND task.run = json_extract(claim.value, '$[1]')
AND task.worker = json_extract(claim.value, '$[2]')

-- name: settle_outcomes
-- All outcomes in one statement, with a row of values for each. Without a `due` the task keeps its place in the line:
-- it was given back. A run that counts, and after which the task waits again, is one of its tries from now on.
WITH outcome (
    sequence, state, held, due, started, over, gives_back, frees, keeps_error, error, result, progress, logs
) AS (
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
)
UPDATE afterwards_tasks AS task
SET state = outcome.state,
    held = outcome.held,
    due = coalesce(outcome.due, task.due),
    started = outcome.started,
    ended = iif(outcome.state = 'waiting', NULL, outcome.over),
    attempt = task.attempt - outcome.gives_back,
    freed = task.freed OR outcome.frees,
    error = iif(outcome.keeps_error, task.error, outcome.error),
    result = outcome.result,
    progress = coalesce(outcome.progress, task.progress),
    logs = coalesce(outcome.logs, task.logs),
    tries = iif(
        outcome.frees AND outcome.state = 'waiting',
        (
            SELECT {noted_tries} FROM (
                SELECT
                    outcome.started AS began, outcome.over, iif(outcome.gives_back, 'again', 'failed') AS how,
                    outcome.error AS failure
            )
        ),
        task.tries
    ),
    worker = NULL
FROM outcome
WHERE task.sequence = outcome.sequence

-- name: note_progress
-- By sequence alone: the same transaction has just found that these claims hold.
WITH note (sequence, progress) AS (
    VALUES (?, ?)
)
UPDATE afterwards_tasks AS task SET progress = note.progress FROM note WHERE task.sequence = note.sequence

-- name: find_followers
-- The tasks held after one of these, whether `:worker` may claim them at once, after which they are held, and their link.
SELECT json_group_array(
    json_array(sequence, {open_to_claimer} AND due <= :now AND NOT {is_limited}, after, id, link)
) FROM (
    SELECT follower.*, :worker AS claimer FROM json_each(:ids) AS ended
    CROSS JOIN afterwards_tasks AS follower INDEXED BY afterwards_followers
    ON follower.after = ended.value AND follower.held = 'after'
) AS task

-- name: free_tasks
-- Nothing holds them back any more.
UPDATE afterwards_tasks SET held = NULL WHERE sequence IN (SELECT value FROM json_each(:sequences))

-- name: states_among
-- Of these ids, those that are stored, and in which state.
SELECT json_group_array(json_array(id, state)) FROM afterwards_tasks WHERE id IN (SELECT value FROM json_each(:ids))

-- name: hold_steps
-- What these steps wait for has ended; they wait for something else.
WITH step (sequence, after) AS (
    VALUES (?, ?)
)
UPDATE afterwards_tasks AS task SET after = step.after FROM step WHERE task.sequence = step.sequence

-- name: end_steps
-- These can never start. They remember which task broke their chain.
WITH step (sequence, after, error, now) AS (
    VALUES (?, ?, ?, ?)
)
UPDATE afterwards_tasks AS task
SET state = 'cancelled', held = NULL, after = step.after, error = step.error, ended = step.now, freed = 1
FROM step WHERE task.sequence = step.sequence

-- name: broken_steps
-- What was cancelled since this task was not done.
SELECT json_group_array(json_array(sequence, id, link)) FROM afterwards_tasks INDEXED BY afterwards_broken_chains
WHERE state = 'cancelled' AND link IS NOT NULL AND after = :id AND json_extract(error, '$.kind') = :kind

-- name: hold_again
-- A step that has ended waits again, and for this.
UPDATE afterwards_tasks AS task
SET state = 'waiting', held = 'after', after = :after, due = max(due, :now), freed = 0, attempt = 0, crashes = 0,
    suspect = 0, stop_asked = 0, started = NULL, ended = NULL, error = NULL, result = NULL, progress = NULL, logs = NULL,
    tries = {tries_with_the_last}
WHERE sequence = :sequence

-- name: link_to_retry
-- The link of an ended task, as a list; empty if it has none.
SELECT json_group_array(json_array(sequence, link)) FROM afterwards_tasks
WHERE id = :id AND link IS NOT NULL AND ended IS NOT NULL

-- name: free_unknown
-- A worker has come that knows these names.
UPDATE afterwards_tasks SET held = NULL
WHERE sequence IN (SELECT sequence FROM {unknown_tasks} AND name IN (SELECT value FROM json_each(:names)))

-- name: sign_on
-- Signing on again under the same id renews the card.
INSERT INTO afterwards_workers (id, host, pid, label, queues, functions, quotas, signed_on, expires)
VALUES (:id, :host, :pid, :label, :queues, :functions, :quotas, :now, :expires)
ON CONFLICT (id) DO UPDATE SET host = excluded.host, pid = excluded.pid, label = excluded.label,
    queues = excluded.queues, functions = excluded.functions, quotas = excluded.quotas,
    signed_on = excluded.signed_on, expires = excluded.expires, leaving = 0

-- name: renew
-- No row changed: the worker was believed dead, and is lost.
UPDATE afterwards_workers SET expires = :expires WHERE id = :worker

-- name: keep_tally
-- Of a worker that is signed on: what one that is lost has counted since may be counted by others too.
INSERT INTO afterwards_tallies (worker, tally)
SELECT id, :tally FROM afterwards_workers WHERE id = :worker
ON CONFLICT (worker) DO UPDATE SET tally = excluded.tally

-- name: list_tallies
-- All of them, and which of their workers are signed on.
SELECT json_group_array(json_array(worker, tally, worker IN (SELECT id FROM afterwards_workers)))
FROM afterwards_tallies

-- name: forget_tallies
-- They are about to be put together, in the same transaction.
DELETE FROM afterwards_tallies WHERE worker IN (SELECT value FROM json_each(:workers))

-- name: put_tally
-- What those who have gone had counted.
INSERT INTO afterwards_tallies (worker, tally) VALUES (:worker, :tally)

-- name: mark_leaving
-- It claims nothing from now on; what it still runs stays with it.
UPDATE afterwards_workers SET leaving = 1 WHERE id = :worker

-- name: forget_worker
-- After its tasks, in the same transaction.
DELETE FROM afterwards_workers WHERE id = :worker

-- name: cancellations
-- Read twice a second while something runs: the tasks of one worker, by the index of the running.
SELECT json_group_array(json_array(id, run)) FROM {running_tasks}
AND worker = :worker AND stop_asked = 1

-- name: claims
-- Read every few seconds: the tasks of one worker, by the index of the running.
SELECT json_group_array(json_array(id, run)) FROM {running_tasks} AND worker = :worker

-- name: give_back
-- All that a worker still holds, as if it had never been claimed; what was asked to stop is cancelled.
UPDATE afterwards_tasks
SET state = iif(stop_asked, 'cancelled', 'waiting'), worker = NULL, attempt = attempt - 1, started = NULL,
    ended = iif(stop_asked, :now, NULL), freed = freed OR stop_asked
WHERE sequence IN (SELECT sequence FROM {running_tasks} AND worker = :worker)

-- name: asked_to_stop
-- Those among a worker's tasks, whose followers are free once it has gone.
SELECT json_group_array(id) FROM {running_tasks} AND worker = :worker AND stop_asked = 1

-- name: dead_workers
-- Believed dead: known to be, or not renewed in time.
SELECT json_group_array(json_array(id, leaving)) FROM afterwards_workers
WHERE id IN (SELECT value FROM json_each(:known_dead)) OR (:expired AND expires < :now)

-- name: dropped_tasks
-- What the dead left running, with what decides about it: see rescuing.py.
SELECT json_group_array(json_array(sequence, id, worker, crashes, crashes_allowed, stop_asked)) FROM (
    SELECT * FROM {running_tasks}
    AND worker IN (SELECT value FROM json_each(:workers)) LIMIT :limit
)

-- name: return_dropped
-- Fenced by the transaction: the same one has just read them as running under a dead worker.
WITH dropped AS MATERIALIZED (
    SELECT
        json_extract(value, '$[0]') AS sequence,
        json_extract(value, '$[1]') AS state,
        json_extract(value, '$[2]') AS due,
        json_extract(value, '$[3]') AS crashes,
        json_extract(value, '$[4]') AS suspect,
        json_extract(value, '$[5]') AS error
    FROM json_each(:dropped)
)
UPDATE afterwards_tasks AS task
SET state = dropped.state,
    due = coalesce(dropped.due, task.due),
    crashes = dropped.crashes,
    suspect = dropped.suspect,
    error = coalesce(dropped.error, task.error),
    tries = iif(
        dropped.state = 'waiting' AND dropped.crashes > task.crashes,
        (
            SELECT {noted_tries} FROM (
                SELECT task.started AS began, :now AS over, 'crashed' AS how, NULL AS failure
            )
        ),
        task.tries
    ),
    attempt = attempt - (dropped.state = 'waiting'),
    started = iif(dropped.state = 'waiting', NULL, started),
    ended = iif(dropped.state = 'waiting', NULL, :now),
    freed = freed OR dropped.state <> 'waiting',
    worker = NULL
FROM dropped
WHERE task.sequence = dropped.sequence

-- name: forget_dead
-- Only when the last of their tasks has been returned: until then the next call goes on with them.
DELETE FROM afterwards_workers
WHERE id IN (SELECT value FROM json_each(:workers))
AND NOT EXISTS (
    SELECT 1 FROM {running_tasks} AND worker = afterwards_workers.id
)

-- fragment: is_whole_over
-- Not of a chain of which others have not ended.
(
    chain IS NULL OR NOT EXISTS (
        SELECT 1 FROM afterwards_tasks AS step INDEXED BY afterwards_chains
        WHERE step.chain = task.chain AND step.ended IS NULL
    )
)

-- name: find_old
-- A chunk at a time, so that nobody waits long for the write lock; and which of them may hold keys. Only ended tasks have
-- `ended`.
SELECT json_group_array(json_array(sequence, iif(key IS NULL, NULL, id))) FROM (
    SELECT * FROM afterwards_tasks AS task INDEXED BY afterwards_ended WHERE ended IS NOT NULL AND ended < :before
    AND {is_whole_over}
    ORDER BY ended LIMIT :limit
)

-- name: keep_keys
-- These tasks are about to go: whose key is held for longer notes until when.
UPDATE afterwards_keys AS held SET until = task.ended + task.unique_for
FROM afterwards_tasks AS task
WHERE task.id IN (SELECT value FROM json_each(:ids)) AND task.ended + task.unique_for > :now
AND held.name = task.name AND held.key = task.key AND held.task = task.id

-- name: drop_keys
-- And whose key is over lets go of it.
DELETE FROM afterwards_keys
WHERE until IS NULL AND (name, key, task) IN (
    SELECT name, key, id FROM afterwards_tasks WHERE id IN (SELECT value FROM json_each(:ids))
)

-- name: drop_twins
-- The other names of tasks that go.
DELETE FROM afterwards_twins WHERE task IN (SELECT value FROM json_each(:ids))

-- name: drop_old_keys
-- Those that were held for longer than their tasks were kept, and are over.
DELETE FROM afterwards_keys WHERE (name, key) IN (
    SELECT name, key FROM afterwards_keys INDEXED BY afterwards_keys_until WHERE until IS NOT NULL AND until <= :now
    ORDER BY until LIMIT :limit
)

-- name: prune
-- By sequence alone: the same transaction has just found them old, or that somebody wants to be rid of them.
DELETE FROM afterwards_tasks WHERE sequence IN (SELECT value FROM json_each(:sequences))

-- name: ended_among
-- Those of these tasks that may be deleted.
SELECT json_group_array(json_array(sequence, id, key)) FROM afterwards_tasks AS task
WHERE id IN (SELECT value FROM json_each(:ids)) AND ended IS NOT NULL AND {is_whole_over}

-- name: key_to_retry
-- The key of an ended task, as a JSON list; empty if it has none.
SELECT json_group_array(json_array(name, key)) FROM afterwards_tasks
WHERE id = :id AND key IS NOT NULL AND ended IS NOT NULL

-- name: retry
-- The turn in its request's line stays over: a person's retry stands outside the line.
UPDATE afterwards_tasks AS task
SET state = 'waiting', due = :now, attempt = 0, crashes = 0, suspect = 0, stop_asked = 0, started = NULL,
    ended = NULL, error = NULL, result = NULL, progress = NULL, logs = NULL, tries = {tries_with_the_last}
WHERE id = :id AND state IN ('done', 'failed', 'cancelled')

-- name: close_over
-- The line closes over a cancelled task whose turn had not come: who waited for it now waits for the one before.
UPDATE afterwards_tasks INDEXED BY afterwards_followers
SET after = (SELECT former.after FROM afterwards_tasks AS former WHERE former.id = :id)
WHERE held = 'after' AND after = :id AND link IS NULL
AND EXISTS (SELECT 1 FROM afterwards_tasks AS former WHERE former.id = :id AND former.held = 'after')

-- name: cancel_waiting
-- At once, since nobody runs it.
UPDATE afterwards_tasks SET state = 'cancelled', held = NULL, ended = :now, freed = 1
WHERE id = :id AND state = 'waiting'

-- name: ask_to_stop
-- Its worker hears of it within half a second.
UPDATE afterwards_tasks SET stop_asked = 1 WHERE id = :id AND state = 'running' AND stop_asked = 0

-- name: pause
-- Its tasks stay where they are; claims pass the whole queue over.
INSERT INTO afterwards_paused (queue) VALUES (:queue) ON CONFLICT (queue) DO NOTHING

-- name: resume
-- And they are claimed again.
DELETE FROM afterwards_paused WHERE queue = :queue

-- name: list_schedules
-- By name. There are as many as the code has, not as many as have ticked.
SELECT json_group_array(json_array(name, function, line, last, seen, paused, asked)) FROM (
    SELECT * FROM afterwards_schedules ORDER BY name
)

-- name: plan_schedule
-- A new one counts from now. What the code says of an old one changes it when that code starts, or nobody says otherwise.
INSERT INTO afterwards_schedules (name, function, line, last, seen) VALUES (:name, :function, :line, :now, :now)
ON CONFLICT (name) DO UPDATE SET
    function = excluded.function,
    line = excluded.line,
    last = iif(function = excluded.function AND line = excluded.line, last, excluded.last),
    seen = excluded.seen
WHERE (function = excluded.function AND line = excluded.line) OR :starting OR seen < :abandoned

-- name: tick
-- The condition is what makes each tick once: whoever comes second finds another `last`.
UPDATE afterwards_schedules SET last = :to
WHERE name = :name AND line = :line AND last = :after AND :to <= :now AND NOT paused

-- name: tick_by_hand
-- Somebody asked for it.
UPDATE afterwards_schedules SET asked = 0 WHERE name = :name AND line = :line AND asked

-- name: pause_schedule
-- It ticks no more.
UPDATE afterwards_schedules SET paused = 1 WHERE name = :name

-- name: resume_schedule
-- It ticks again, from now on.
UPDATE afterwards_schedules SET last = iif(paused, :now, last), paused = 0 WHERE name = :name

-- name: run_schedule
-- The next janitor that knows it adds its call.
UPDATE afterwards_schedules SET asked = 1 WHERE name = :name

-- name: forget_schedule
-- Its code is gone.
DELETE FROM afterwards_schedules WHERE name = :name

-- name: hand_over
-- The oldest first, by the index of the waiting. `after` moves the start of its range, so that no page is read twice.
SELECT json_group_array({whole_task}) FROM (
    SELECT * FROM afterwards_tasks INDEXED BY afterwards_waiting
    WHERE state = 'waiting' AND sequence > iif(
        :after IS NULL, 0, (SELECT last.sequence FROM afterwards_tasks AS last WHERE last.id = :after)
    )
    ORDER BY sequence LIMIT :limit
)

-- name: receive_tasks
-- Tasks of another store, as they were there. What is stored already has gone on since, and stays as it is.
INSERT INTO afterwards_tasks (
    id, name, arguments, queue, priority, held, after, due, added, attempt, run, crashes, crashes_allowed, suspect,
    freed, started, retry, error, result, progress, key, state, timeout, deadline, unique_for, trace, keeps, logs,
    limit_key, chain, link, tries
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING

-- name: twins_of
-- The other names of these tasks.
SELECT json_group_array(json_array(id, task)) FROM (
    SELECT id, task FROM afterwards_twins WHERE task IN (SELECT value FROM json_each(:ids)) ORDER BY id
)

-- name: waiting_among
-- Those of a list that may be deleted.
SELECT json_group_array(id) FROM afterwards_tasks
WHERE id IN (SELECT value FROM json_each(:ids)) AND state = 'waiting'

-- name: forget_tasks
-- By id alone: the same transaction has just found them waiting.
DELETE FROM afterwards_tasks WHERE id IN (SELECT value FROM json_each(:ids))

-- name: join_calls
-- The rows of `add_calls` in a transaction of the user's, all or none: none if this is not the file of the store. An
-- INSERT by its first word, since sqlite3 begins a transaction by itself only where it sees that.
INSERT INTO afterwards_tasks (
    id, name, arguments, queue, priority, state, held, after, due, added, attempt, run, crashes_allowed, retry,
    worker, started, timeout, deadline, key, unique_for, trace, keeps, limit_key, chain, link
)
SELECT
    json_extract(call.value, '$[0]'), json_extract(call.value, '$[1]'), json_extract(call.value, '$[2]'),
    json_extract(call.value, '$[3]'), json_extract(call.value, '$[4]'), json_extract(call.value, '$[5]'),
    json_extract(call.value, '$[6]'), json_extract(call.value, '$[7]'), json_extract(call.value, '$[8]'),
    json_extract(call.value, '$[9]'), json_extract(call.value, '$[10]'), json_extract(call.value, '$[11]'),
    json_extract(call.value, '$[12]'), json_extract(call.value, '$[13]'), json_extract(call.value, '$[14]'),
    json_extract(call.value, '$[15]'), json_extract(call.value, '$[16]'), json_extract(call.value, '$[17]'),
    json_extract(call.value, '$[18]'), json_extract(call.value, '$[19]'), json_extract(call.value, '$[20]'),
    json_extract(call.value, '$[21]'), json_extract(call.value, '$[22]'), json_extract(call.value, '$[23]'),
    json_extract(call.value, '$[24]')
FROM json_each(:calls) AS call
WHERE EXISTS (SELECT 1 FROM afterwards_store AS store WHERE store.id = :store)
ORDER BY call.key

-- name: join_lock_key
-- That the key has a row, which the next two statements go by. The file's own lock keeps everybody else from it.
INSERT INTO afterwards_keys (name, key, task)
SELECT :name, :key, :id FROM afterwards_store AS store WHERE store.id = :store
ON CONFLICT (name, key) DO UPDATE SET task = task

-- name: join_twin
-- If somebody holds the key.
INSERT INTO afterwards_twins (id, task)
SELECT :id, held.task FROM afterwards_keys AS held LEFT JOIN afterwards_tasks AS task ON task.id = held.task
WHERE held.name = :name AND held.key = :key AND held.task <> :id
AND iif(task.id IS NULL, held.until > :now, task.ended IS NULL OR task.ended + task.unique_for > :now)

-- name: join_take_key
-- If nobody does.
UPDATE afterwards_keys SET task = :id, until = NULL WHERE name = :name AND key = :key

-- name: join_ending
-- A run is done, in a transaction of the user's; fenced like every write about a run.
UPDATE afterwards_tasks
SET state = 'done', started = :began, ended = :now, freed = 1, error = NULL, result = NULL, worker = NULL,
    progress = coalesce(nullif(:progress, ''), progress)
WHERE id = :id AND state = 'running' AND run = :run AND worker = :worker
AND EXISTS (SELECT 1 FROM afterwards_store AS store WHERE store.id = :store)

-- name: join_release
-- After it, in the same transaction: who was held after this task in a line. No step of a chain needs it: see done_in.
UPDATE afterwards_tasks SET held = NULL WHERE held = 'after' AND after = :id AND link IS NULL

-- name: join_proof
-- Whether this is the file of the store, asked by a change that changes nothing: every driver counts those.
UPDATE afterwards_store SET id = id WHERE id = :store

-- fragment: matches
-- What a search may narrow by, beyond what leads to a task. The two ways to name an error: whole, or by how it ends.
(:queue IS NULL OR queue = :queue) AND (:name IS NULL OR name = :name) AND (:key IS NULL OR key = :key)
AND (:added_after IS NULL OR added >= :added_after) AND (:added_before IS NULL OR added < :added_before)
AND (:error IS NULL OR {is_error})

-- fragment: is_error
-- An error of this class.
(kind = :error OR substr(kind, -length(:error_ending)) = :error_ending)

-- fragment: is_wanted
-- In one of these states.
state IN (SELECT value FROM json_each(:states))

-- fragment: page
-- The rest of every search. Paging goes by sequence, from that of the task last seen on, and moves the start of the range,
-- so that no page is read twice; nothing follows a task that was pruned.
sequence < iif(
    :after IS NULL,
    ifnull(:bookmark, 9223372036854775807),
    (SELECT last.sequence FROM afterwards_tasks AS last WHERE last.id = :after)
)
AND {matches} ORDER BY sequence DESC LIMIT :limit

-- fragment: failures
-- Tasks that have an error, by its class, then by state and sequence.
afterwards_tasks INDEXED BY afterwards_errors WHERE error IS NOT NULL

-- name: states
-- By the index of ids; under the id that was asked for, which may be another name.
SELECT json_group_array(json_array(wanted.id, task.state)) FROM (
    SELECT value AS id, coalesce((SELECT twin.task FROM afterwards_twins AS twin WHERE twin.id = value), value) AS named
    FROM json_each(:ids)
) AS wanted
CROSS JOIN afterwards_tasks AS task ON task.id = wanted.named

-- name: seek_by_id
-- By the index of ids; the other conditions filter these few.
SELECT json_group_array(json_array(sequence, id)) FROM (
    SELECT sequence, id FROM afterwards_tasks
    WHERE id IN (
        SELECT value FROM json_each(:ids)
        UNION SELECT task FROM afterwards_twins WHERE id IN (SELECT value FROM json_each(:ids))
    )
    AND {is_wanted} AND {page}
)

-- name: seek_by_key
-- By an index for this question.
SELECT json_group_array(json_array(sequence, id)) FROM (
    SELECT sequence, id FROM afterwards_tasks INDEXED BY afterwards_of_key WHERE key = :key AND {is_wanted} AND {page}
)

-- name: seek_by_error
-- By an index for this question: a jump from class to class, of which there are few, since a bare name may be that of
-- several. Then one range for each class and state, of which the newest are merged.
WITH RECURSIVE class (kind) AS (
    SELECT min(kind) FROM {failures}
    UNION ALL
    SELECT (SELECT min(kind) FROM {failures} AND kind > class.kind) FROM class WHERE class.kind IS NOT NULL
),
sought AS (
    SELECT kind FROM class WHERE {is_error}
)
SELECT json_group_array(json_array(sequence, id)) FROM (
    SELECT task.sequence, task.id
    FROM sought CROSS JOIN json_each(:states) AS wanted
    CROSS JOIN afterwards_tasks AS task ON task.sequence IN (
        SELECT sequence FROM {failures} AND kind = sought.kind AND state = wanted.value AND {page}
    )
    ORDER BY task.sequence DESC LIMIT :limit
)

-- name: seek_by_state
-- By an index for each state but that of the many that are done: the few may stand among millions of those. What runs is
-- as much as the workers hold, and has an index in another order.
SELECT json_group_array(json_array(sequence, id)) FROM (
    SELECT sequence, id FROM (
        SELECT sequence, id FROM afterwards_tasks INDEXED BY afterwards_waiting
        WHERE :waiting AND state = 'waiting' AND {page}
    )
    UNION ALL SELECT sequence, id FROM (
        SELECT sequence, id FROM {running_tasks} AND :running AND {page}
    )
    UNION ALL SELECT sequence, id FROM (
        SELECT sequence, id FROM afterwards_tasks INDEXED BY afterwards_failed
        WHERE :failed AND state = 'failed' AND {page}
    )
    UNION ALL SELECT sequence, id FROM (
        SELECT sequence, id FROM afterwards_tasks INDEXED BY afterwards_cancelled
        WHERE :cancelled AND state = 'cancelled' AND {page}
    )
    ORDER BY sequence DESC LIMIT :limit
)

-- name: seek_newest
-- Backwards through the table until `limit` are found: of done tasks, the many, that is soon. On a reader of its own,
-- since for a rare name or queue it may have to look at all.
SELECT json_group_array(json_array(sequence, id)) FROM (SELECT sequence, id FROM afterwards_tasks WHERE {is_wanted} AND {page})

-- fragment: waiting_tasks
-- All that wait, from the five indexes that hold them, without reading a row. What stands before a gate waits for its
-- turn alone: it was due when it came there.
waiting AS (
    SELECT queue, due, NULL AS held FROM {claimable_tasks}
    UNION ALL SELECT queue, due, NULL FROM {suspects}
    UNION ALL SELECT queue, NULL, 'after' FROM afterwards_tasks INDEXED BY afterwards_followers WHERE held = 'after'
    UNION ALL SELECT queue, NULL, 'unknown' FROM {unknown_tasks}
    UNION ALL SELECT queue, 0, held FROM {held_tasks}
)

-- name: count_waiting
-- By queue and hold; how many are due, and since when the first of those that nothing holds back.
WITH {waiting_tasks}
SELECT json_group_array(json_array(queue, held, tasks, due, oldest)) FROM (
    SELECT queue, held, count(*) AS tasks, sum(due <= :now) AS due, min(iif(held IS NULL AND due <= :now, due, NULL)) AS oldest
    FROM waiting GROUP BY queue, held
)

-- name: count_ended
-- By state. Most are done: those are what neither failed nor was cancelled, since to group a million entries of an index
-- takes ten times as long as to count them.
WITH counted AS MATERIALIZED (
    SELECT
        (SELECT count(*) FROM afterwards_tasks INDEXED BY afterwards_ended WHERE ended IS NOT NULL) AS ended,
        (SELECT count(*) FROM afterwards_tasks INDEXED BY afterwards_failed WHERE state = 'failed') AS failed,
        (SELECT count(*) FROM afterwards_tasks INDEXED BY afterwards_cancelled WHERE state = 'cancelled') AS cancelled
)
SELECT json_array(
    json_array('done', ended - failed - cancelled), json_array('failed', failed), json_array('cancelled', cancelled)
) FROM counted

-- name: count_recent
-- Those that ended last, by their index, a bounded number. If there are as many as that, more may have ended in the same
-- moment as the earliest of them, so that it is counted what came after that. In front, since when.
WITH recent AS MATERIALIZED (
    SELECT queue, state, ended FROM afterwards_tasks INDEXED BY afterwards_ended
    WHERE ended IS NOT NULL AND ended > :after ORDER BY ended DESC LIMIT :limit
),
bound AS MATERIALIZED (
    SELECT iif(count(*) < :limit, :after, min(ended)) AS since FROM recent
)
SELECT json_group_array(json_array(queue, number)) FROM (
    SELECT '' AS queue, since AS number FROM bound
    UNION ALL
    SELECT recent.queue, count(*) FROM bound CROSS JOIN recent
    WHERE recent.ended > bound.since AND recent.state IN ('done', 'failed') GROUP BY recent.queue
)

-- name: count_running
-- From the index of the running.
SELECT count(*) FROM {running_tasks}

-- name: unknown_names
-- The names that no worker knew.
SELECT json_group_array(name) FROM (SELECT DISTINCT name FROM {unknown_tasks} ORDER BY name)

-- name: list_workers
-- In the order in which they came.
SELECT json_group_array(json_array(id, host, pid, label, signed_on, expires, leaving)) FROM (
    SELECT * FROM afterwards_workers ORDER BY signed_on, id
)

-- name: list_paused
-- By name.
SELECT json_group_array(queue) FROM (SELECT queue FROM afterwards_paused ORDER BY queue)

-- name: store_id
-- What tells this store from every other.
SELECT id FROM afterwards_store

-- name: store_shared
-- Whether the file held other tables before ours: then its journal mode is not ours to choose.
SELECT shared FROM afterwards_store

-- name: foreign_tables
-- Tables in this file that are not ours: then somebody else writes to it too.
SELECT count(*) FROM sqlite_master
WHERE type = 'table' AND name NOT LIKE 'afterwards\_%' ESCAPE '\' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'

-- name: our_tables
-- Whether this file has been ours before.
SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'afterwards_schema'
