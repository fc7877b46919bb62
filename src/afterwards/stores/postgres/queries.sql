-- Every statement of the store, by name. One statement takes the requests of many callers, as arrays. `:offset` is how
-- far tests have set the store's clock ahead; outside of tests it is nothing.
--
-- Several processes write at once, each statement sees the database as it was when it began, and a lock that it has to
-- wait for shows it the newest version of that row, but no rows that came meanwhile. So whatever looks for other rows
-- because of a row is a statement of its own, after the one that locked that row. Rows are locked in the order of
-- their sequence, the former of a line before its follower, so that two writers do not wait for each other.
--
-- A `fragment` is a text that several statements share; `{its name}` stands for it.

-- fragment: now
-- The store's clock. It stands still within a statement.
(statement_timestamp() + :offset::interval)

-- fragment: first
-- The first instant that every client can read.
timestamptz '0001-01-01 00:00:00+00'

-- fragment: last
-- The last such. Our driver makes infinities of these two where it sends them, and brings those back without a zone.
timestamptz '9999-12-31 23:59:59.999999+00'

-- fragment: task
-- One task as rows.py reads it, in its order.
task.id, task.name, task.arguments, task.queue, task.priority, task.state, task.held, task.after, task.due, task.added,
task.attempt, task.run, task.crashes, task.crashes_allowed, task.suspect, task.freed, task.worker, task.started,
task.ended, task.error, task.result, task.progress, task.key, task.stop_asked, task.retry,
task.timeout, task.deadline, task.unique_for, task.trace, task.keeps, task.logs, task.limit_key, task.limited,
task.link

-- fragment: whole_task
-- The same for who looks at it: with its tries, of which a worker need not know.
{task}, task.tries

-- fragment: noted_tries
-- The tries of this `task`, and one more: when it `began`, when it was `over`, `how` it ended and with which `failure`, says
-- what it is selected from. Twenty are kept; they are counted on, so that the first says how many are not.
CASE WHEN jsonb_array_length(task.tries) >= 20 THEN task.tries - 0 ELSE coalesce(task.tries, '[]') END
|| jsonb_build_object(
    'run', task.run, 'number', coalesce((task.tries -> -1 ->> 'number')::integer, 0) + 1, 'attempt', task.attempt,
    'started', (extract(epoch FROM began) * 1000000)::bigint,
    'ended', (extract(epoch FROM over) * 1000000)::bigint, 'ending', how, 'kind', failure::json ->> 'kind',
    'message', CASE WHEN length(failure::json ->> 'message') > 500
        THEN left(failure::json ->> 'message', 499) || '…' ELSE failure::json ->> 'message'
    END
)

-- fragment: tries_with_the_last
-- The tries of this `task`, which has ended and is to wait again: with its last run, if it had one that is not among them.
CASE WHEN task.started IS NOT NULL AND (task.tries -> -1 ->> 'run')::integer IS DISTINCT FROM task.run THEN (
    SELECT {noted_tries} FROM (
        SELECT
            task.started AS began, task.ended AS over, task.state AS how,
            CASE WHEN task.state = 'failed' THEN task.error END AS failure
    ) AS last
) ELSE task.tries END

-- fragment: is_claimable
-- What may be claimed, in the words of its index.
state = 'waiting' AND held IS NULL AND NOT suspect

-- fragment: is_suspect
-- The same for those whose next crash would end them.
state = 'waiting' AND held IS NULL AND suspect

-- fragment: rank
-- The order among all that is due: a minute for each level of priority.
due - priority * interval '60 s'

-- fragment: claimers
-- Those of these workers that may claim. The lock keeps their rows until what they claim is written: who rescues or
-- signs off a worker takes the row first, and then sees all that was claimed by it. A worker whose row is just being
-- taken claims nothing.
SELECT id, queues FROM afterwards_workers WHERE id = ANY(:claimers::text[]) AND NOT leaving FOR KEY SHARE SKIP LOCKED

-- fragment: is_limited
-- Whether a quota counts the runs of this `task`.
EXISTS (
    SELECT 1 FROM afterwards_quotas AS quota WHERE quota.name IN ('function:' || task.name, 'queue:' || task.queue)
)

-- fragment: is_step
-- Whether this `task` is held after what it needs, when it is, and not in a line. By the text that links.py writes, in
-- which a quote inside of a string has a backslash before it.
task.link IS NOT NULL AND position('"needs":["' IN task.link) > 0

-- fragment: is_standing
-- What stands before a gate, in the words of its index.
held IN ('limit', 'rate')

-- fragment: opening_queues
-- The queues of the `claimer` in which a gate opens some time; a jump from queue to queue.
opening_queue (queue) AS (
    (SELECT queue FROM afterwards_openings ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT next.queue FROM opening_queue CROSS JOIN LATERAL (
        SELECT queue FROM afterwards_openings WHERE queue > opening_queue.queue ORDER BY queue LIMIT 1
    ) AS next
),
own_opening_queue AS (SELECT task.queue FROM opening_queue AS task CROSS JOIN claimer WHERE {is_open})

-- fragment: is_known_gate
-- Behind it stand functions that this worker knows, as far as the gate says.
gate <> ALL(ARRAY(SELECT 'function:' || unknown.name FROM unnest(:unknown::text[]) AS unknown (name)))

-- fragment: is_open
-- The rule of who may claim what, in one place: `queue` is not paused, and served by the `claimer`, who has signed on.
claimer.id IS NOT NULL AND (claimer.queues IS NULL OR queue = ANY(claimer.queues))
AND NOT EXISTS (SELECT 1 FROM afterwards_paused AS paused WHERE paused.queue = task.queue)

-- fragment: lines
-- A line is the claimable tasks of one queue and priority: one range of the index. Each step jumps to the first entry
-- of the next, so that ten lines with a million tasks cost ten look-ups. `due` is that of the line's first task, so
-- that a line of tasks due tomorrow is passed over at its head.
line (queue, priority, due, sequence) AS (
    (
        SELECT queue, priority, due, sequence FROM afterwards_tasks
        WHERE {is_claimable} ORDER BY queue, priority, due, sequence LIMIT 1
    )
    UNION ALL
    SELECT head.queue, head.priority, head.due, head.sequence FROM line CROSS JOIN LATERAL (
        SELECT queue, priority, due, sequence FROM afterwards_tasks
        WHERE {is_claimable} AND (queue, priority) > (line.queue, line.priority)
        ORDER BY queue, priority, due, sequence LIMIT 1
    ) AS head
)

-- name: add_calls
-- All calls of one write in one statement. What is claimed in the same write goes in as running and never touches the
-- claim index. A former is locked against being settled, so that its end cannot pass by a follower that is not yet
-- to be seen; where it is stored, its turn decides, and not that it comes in this write once more.
WITH call AS MATERIALIZED (
    SELECT
        call.*, least(greatest(coalesce(due_at, {now} + delay), {first}), {last}) AS due,
        CASE WHEN deadline_at IS NOT NULL OR time_left IS NOT NULL
            THEN least(greatest(coalesce(deadline_at, {now} + time_left), {first}), {last})
        END AS deadline
    FROM unnest(
        :ids::uuid[], :call_names::text[], :arguments::text[], :queues::text[], :priorities::smallint[],
        :afters::uuid[], :dues::timestamptz[], :delays::interval[], :crashes::integer[], :retries::text[],
        :timeouts::interval[], :deadlines::timestamptz[], :times_left::interval[], :keys::text[],
        :unique_for::interval[], :traces::text[], :keeps::text[], :limit_keys::text[], :chains::text[], :links::text[],
        :claimed_by::text[]
    ) WITH ORDINALITY AS call (
        id, name, arguments, queue, priority, after, due_at, delay, crashes_allowed, retry, timeout, deadline_at,
        time_left, key, unique_for, trace, keeps, limit_key, chain, link, claimed_by, place
    )
),
former AS MATERIALIZED (
    SELECT id, freed FROM afterwards_tasks WHERE id = ANY(:formers::uuid[]) ORDER BY sequence FOR SHARE
),
claimer AS MATERIALIZED ({claimers}),
placed AS MATERIALIZED (
    SELECT task.*, task.after IS NOT NULL AND coalesce(NOT former.freed, task.after = ANY(:ids::uuid[])) AS is_held
    FROM call AS task LEFT JOIN former ON former.id = task.after
),
judged AS MATERIALIZED (
    SELECT task.*, NOT task.is_held AND task.due <= {now} AND {is_open} AND NOT {is_limited} AS is_claimed
    FROM placed AS task LEFT JOIN claimer ON claimer.id = task.claimed_by
)
INSERT INTO afterwards_tasks AS task (
    id, name, arguments, queue, priority, state, held, after, due, added, attempt, run, crashes_allowed, retry, worker,
    started, timeout, deadline, key, unique_for, trace, keeps, limit_key, chain, link
)
SELECT
    id, name, arguments, queue, priority,
    CASE WHEN is_claimed THEN 'running' ELSE 'waiting' END,
    CASE WHEN is_held THEN 'after' END,
    after, due, {now}, is_claimed::integer, is_claimed::integer, crashes_allowed, retry,
    CASE WHEN is_claimed THEN claimed_by END,
    CASE WHEN is_claimed THEN {now} END,
    timeout, deadline, key, unique_for, trace, keeps, limit_key, chain, link
FROM judged ORDER BY place
ON CONFLICT (id) DO NOTHING
RETURNING task.id, task.worker IS NOT NULL, task.added

-- name: claimed_before
-- Calls that are sent again, since the answer was lost: those that the lost write had claimed, and nobody has heard of.
SELECT task.id, task.added FROM afterwards_tasks AS task
CROSS JOIN unnest(:ids::uuid[], :claimed_by::text[]) AS call (id, claimed_by)
WHERE task.id = call.id AND task.worker = call.claimed_by AND task.run = 1 AND task.state = 'running'

-- name: hurry
-- Whoever writes under keys, or lets a step wait for a task, waits for others no longer than this; it is tried again,
-- apart from all else.
SELECT set_config('lock_timeout', '20ms', true)

-- name: lock_keys
-- Whoever adds under a key has its row first, so that of two the second sees what the first has done. Rows that are new
-- name the task that may come; those that were there stay as they are.
INSERT INTO afterwards_keys AS held (name, key, task)
SELECT name, key, task FROM unnest(:key_names::text[], :keys::text[], :ids::uuid[]) AS wanted (name, key, task)
ORDER BY name, key
ON CONFLICT (name, key) DO UPDATE SET task = held.task

-- name: known_calls
-- Of these ids, those that are stored, each with the task that it names: itself, or the one whose twin it is.
SELECT id, id FROM afterwards_tasks WHERE id = ANY(:ids::uuid[])
UNION ALL SELECT id, task FROM afterwards_twins WHERE id = ANY(:ids::uuid[])

-- name: lock_holders
-- What is to be replaced if it waits: nobody claims it meanwhile.
SELECT task.id FROM afterwards_tasks AS task WHERE task.id = ANY(ARRAY(
    SELECT held.task FROM unnest(:key_names::text[], :keys::text[]) AS wanted (name, key)
    JOIN afterwards_keys AS held ON held.name = wanted.name AND held.key = wanted.key
))
ORDER BY task.sequence FOR NO KEY UPDATE

-- fragment: is_held
-- Whether `held`, which is a key, is held by `task`, or by one that is gone.
CASE WHEN task.id IS NULL THEN held.until > {now} ELSE task.ended IS NULL OR task.ended + task.unique_for > {now} END

-- name: held_keys
-- Of these keys, those that are held now, and by which task, as it stands.
SELECT held.name, held.key, held.task, task.state
FROM unnest(:key_names::text[], :keys::text[]) AS wanted (name, key)
JOIN afterwards_keys AS held ON held.name = wanted.name AND held.key = wanted.key
LEFT JOIN afterwards_tasks AS task ON task.id = held.task
WHERE {is_held}

-- name: take_keys
-- For tasks that are stored in the same transaction, which has locked these and found that nobody holds them.
UPDATE afterwards_keys AS held SET task = taken.task, until = NULL
FROM unnest(:key_names::text[], :keys::text[], :ids::uuid[]) AS taken (name, key, task)
WHERE held.name = taken.name AND held.key = taken.key

-- name: add_twins
-- Other names of tasks.
INSERT INTO afterwards_twins (id, task) SELECT id, task FROM unnest(:ids::uuid[], :tasks::uuid[]) AS twin (id, task)
ON CONFLICT (id) DO NOTHING

-- name: replace_tasks
-- Waiting tasks take on other calls. Their ids, their runs, their holds and their places in their lines stay; but they
-- pass their gates anew, which may be others.
UPDATE afterwards_tasks AS task
SET arguments = call.arguments, queue = call.queue, priority = call.priority,
    due = least(greatest(coalesce(call.due, {now} + call.delay), {first}), {last}),
    deadline = CASE WHEN call.deadline IS NOT NULL OR call.time_left IS NOT NULL
        THEN least(greatest(coalesce(call.deadline, {now} + call.time_left), {first}), {last})
    END,
    retry = call.retry, timeout = call.timeout, crashes_allowed = call.crashes_allowed, trace = call.trace,
    keeps = call.keeps, attempt = 0, crashes = 0, suspect = false, started = NULL, error = NULL, result = NULL,
    progress = NULL, logs = NULL, tries = NULL, limit_key = call.limit_key,
    held = CASE WHEN task.held IN ('limit', 'rate') THEN NULL ELSE task.held END, gate = NULL, gate_key = NULL, rank = NULL
FROM unnest(
    :replaced::uuid[], :arguments::text[], :queues::text[], :priorities::smallint[], :dues::timestamptz[],
    :delays::interval[], :crashes::integer[], :retries::text[], :timeouts::interval[], :deadlines::timestamptz[],
    :times_left::interval[], :traces::text[], :keeps::text[], :limit_keys::text[]
) AS call (
    id, arguments, queue, priority, due, delay, crashes_allowed, retry, timeout, deadline, time_left, trace, keeps,
    limit_key
)
WHERE task.id = call.id AND task.state = 'waiting'

-- name: line_heads
-- Where each line begins now.
WITH RECURSIVE {lines}
SELECT queue, priority, due, sequence FROM line

-- name: claim_tasks
-- The best `limit` of the due tasks this worker may have, best rank first. Within a line the order by rank is the order
-- by due, so the best of all are among the first `limit` of each. Where there are many lines these are many more than
-- are taken, so they are first looked at without a lock: `bar` is the rank of the best but twice the limit, and what
-- ranks behind it is not locked either. What another worker has just locked is passed over, so that two of them get
-- different tasks and never wait. Rows that turn out not to be among the best are let go with the statement.
--
-- Those that a quota counts are only brought, locked, with whether their function and their queue have one; the others
-- are claimed too, if the statement `takes`. A claim that `asks` gets nothing at all while a gate is to open, because
-- what stands before that may have waited longer. The lines are found first; or they are known, with where each began
-- a moment ago, and only what is left of that is passed over.
WITH RECURSIVE {lines},
begun_line AS MATERIALIZED (
    SELECT * FROM line WHERE :finds::boolean
    UNION ALL
    SELECT known.queue, known.priority, head.due, head.sequence
    FROM unnest(
        :line_queues::text[], :line_priorities::smallint[], :line_dues::timestamptz[], :line_sequences::bigint[]
    ) AS known (queue, priority, due, sequence)
    CROSS JOIN LATERAL (
        SELECT due, sequence FROM afterwards_tasks
        WHERE {is_claimable} AND queue = known.queue AND priority = known.priority
        AND (due, sequence) >= (known.due, known.sequence)
        ORDER BY due, sequence LIMIT 1
    ) AS head
),
claimer AS MATERIALIZED ({claimers}),
{opening_queues},
open_line AS MATERIALIZED (
    SELECT line.* FROM begun_line AS line WHERE NOT (:asks::boolean AND EXISTS (
        SELECT 1 FROM own_opening_queue AS own CROSS JOIN afterwards_openings AS due
        WHERE due.queue = own.queue AND due.opens <= {now} AND {is_known_gate}
    ))
),
mine AS MATERIALIZED (
    SELECT task.queue, task.priority, task.due, task.sequence FROM open_line AS task CROSS JOIN claimer
    WHERE task.due <= {now} AND {is_open}
),
suspect AS MATERIALIZED (
    SELECT task.sequence, task.due, task.priority FROM afterwards_tasks AS task CROSS JOIN claimer
    WHERE :suspects::boolean AND {is_suspect} AND due <= {now} AND {is_open} AND name <> ALL(:unknown::text[])
    AND NOT (:asks::boolean AND EXISTS (
        SELECT 1 FROM own_opening_queue AS own CROSS JOIN afterwards_openings AS due
        WHERE due.queue = own.queue AND due.opens <= {now} AND {is_known_gate}
    ))
    ORDER BY {rank}, sequence LIMIT least(1, :limit::bigint) FOR NO KEY UPDATE OF task SKIP LOCKED
),
bar AS MATERIALIZED (
    SELECT task.due - mine.priority * interval '60 s' AS rank FROM mine CROSS JOIN LATERAL (
        SELECT due FROM afterwards_tasks
        WHERE {is_claimable} AND queue = mine.queue AND priority = mine.priority
        AND (due, sequence) >= (mine.due, mine.sequence) AND due <= {now} AND name <> ALL(:unknown::text[])
        ORDER BY due, sequence LIMIT :limit
    ) AS task
    ORDER BY rank OFFSET 2 * :limit LIMIT 1
),
candidate AS MATERIALIZED (
    SELECT task.sequence, task.due, task.priority FROM mine CROSS JOIN LATERAL (
        SELECT sequence, due, priority FROM afterwards_tasks
        WHERE {is_claimable} AND queue = mine.queue AND priority = mine.priority
        AND (due, sequence) >= (mine.due, mine.sequence)
        AND due <= least({now}, (SELECT rank FROM bar) + mine.priority * interval '60 s')
        AND name <> ALL(:unknown::text[])
        ORDER BY due, sequence LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
    ) AS task
    UNION ALL
    SELECT sequence, due, priority FROM suspect
),
best AS MATERIALIZED (
    SELECT sequence, {rank} AS best_rank FROM candidate ORDER BY best_rank, sequence LIMIT :limit
),
chosen AS MATERIALIZED (
    SELECT
        best.*,
        EXISTS (SELECT 1 FROM afterwards_quotas AS quota WHERE quota.name = 'function:' || task.name) AS of_function,
        EXISTS (SELECT 1 FROM afterwards_quotas AS quota WHERE quota.name = 'queue:' || task.queue) AS of_queue
    FROM best JOIN afterwards_tasks AS task ON task.sequence = best.sequence
),
claimed AS (
    UPDATE afterwards_tasks AS task
    SET state = 'running', worker = :worker, run = run + 1, attempt = attempt + 1, started = {now}, progress = NULL,
        limited = false
    FROM chosen
    WHERE task.sequence = chosen.sequence AND task.state = 'waiting' AND task.held IS NULL
    AND :takes::boolean AND NOT (of_function OR of_queue)
    RETURNING task.*, chosen.best_rank, of_function, of_queue
),
brought AS (
    SELECT task.*, chosen.best_rank, of_function, of_queue
    FROM chosen JOIN afterwards_tasks AS task ON task.sequence = chosen.sequence
    WHERE of_function OR of_queue OR NOT :takes::boolean
)
SELECT {task}, task.sequence, task.of_function, task.of_queue
FROM (SELECT * FROM claimed UNION ALL SELECT * FROM brought) AS task
ORDER BY best_rank, sequence

-- name: take_chosen
-- Of what a claim has brought, those that may pass; by sequence, since the statement before has locked them.
UPDATE afterwards_tasks AS task
SET state = 'running', worker = :worker, run = run + 1, attempt = attempt + 1, started = {now}, progress = NULL,
    limited = chosen.limited
FROM unnest(:sequences::bigint[], :limited::boolean[]) AS chosen (sequence, limited)
WHERE task.sequence = chosen.sequence
RETURNING {task}

-- name: lock_quotas
-- Whoever counts a gate keeps its quota until what he decides is written. Where somebody else does so, his tasks wait.
SELECT name FROM afterwards_quotas WHERE name = ANY(:names::text[]) ORDER BY name FOR NO KEY UPDATE SKIP LOCKED

-- name: count_gates
-- These gates as they stand, those that have a quota: what runs, what began within the period of its rate, and when the
-- first of that will be over. Passes that are counted as one began soon after one another, which bounds the range.
SELECT
    stands.gate, stands.gate_key, quota.most,
    CASE WHEN starts_with(stands.gate, 'function:') THEN (
        SELECT count(*) FROM afterwards_tasks
        WHERE state = 'running' AND limited AND name = substr(stands.gate, 10) AND limit_key = stands.gate_key
    ) ELSE (
        SELECT count(*) FROM afterwards_tasks WHERE state = 'running' AND limited AND queue = substr(stands.gate, 7)
    ) END,
    quota.rate, quota.period, pass.begun, coalesce(pass.first, {now}) + coalesce(quota.period, interval '0')
FROM unnest(:gates::text[], :keys::text[]) AS stands (gate, gate_key)
JOIN afterwards_quotas AS quota ON quota.name = stands.gate
CROSS JOIN LATERAL (
    SELECT coalesce(sum(runs), 0)::bigint AS begun, min(ended) AS first FROM afterwards_passes
    WHERE gate = stands.gate AND gate_key = stands.gate_key
    AND began >= {now} - quota.period * 1.01 AND ended > {now} - quota.period
) AS pass

-- name: hold_at_gates
-- They leave the claim index, and are not looked at again until their gate opens.
UPDATE afterwards_tasks AS task
SET held = closed.why, gate = closed.gate, gate_key = closed.gate_key, rank = {rank}
FROM unnest(:sequences::bigint[], :gates::text[], :keys::text[], :holds::text[]) AS closed (
    sequence, gate, gate_key, why
)
WHERE task.sequence = closed.sequence

-- name: join_pass
-- Runs that begin soon after the last ones that passed this gate are counted with those. After the claim, so that none
-- is noted earlier than it began.
UPDATE afterwards_passes SET ended = greatest(ended, {now}), runs = runs + :runs
WHERE gate = :gate AND gate_key = :key AND began >= {now} - :bucket::interval AND began = (
    SELECT max(last.began) FROM afterwards_passes AS last WHERE last.gate = :gate AND last.gate_key = :key
)
RETURNING runs

-- name: add_pass
-- Others stand for themselves.
INSERT INTO afterwards_passes (gate, gate_key, began, ended, runs) VALUES (:gate, :key, {now}, {now}, :runs)

-- name: forget_passes
-- What this gate needs not count any more.
DELETE FROM afterwards_passes WHERE gate = :gate AND gate_key = :key AND began < {now} - 2 * :period::interval

-- name: find_openings
-- Gates that may let somebody of a queue of this worker through now. What another looks at is passed over.
WITH RECURSIVE claimer AS MATERIALIZED ({claimers}),
{opening_queues}
SELECT due.sequence, due.gate, due.gate_key, due.queue FROM own_opening_queue AS own CROSS JOIN LATERAL (
    SELECT * FROM afterwards_openings
    WHERE queue = own.queue AND opens <= {now} AND {is_known_gate}
    LIMIT :limit FOR UPDATE SKIP LOCKED
) AS due
LIMIT :limit

-- name: end_openings
-- They have been looked at.
DELETE FROM afterwards_openings WHERE sequence = ANY(:sequences::bigint[])

-- name: let_through
-- The best of those who stand before a gate, in one queue, may be claimed again. How many.
WITH through AS (
    UPDATE afterwards_tasks SET held = NULL, gate = NULL, gate_key = NULL, rank = NULL WHERE sequence = ANY(ARRAY(
        SELECT sequence FROM afterwards_tasks
        WHERE {is_standing} AND gate = :gate AND gate_key = :key AND queue = :queue AND name <> ALL(:unknown::text[])
        ORDER BY rank, sequence LIMIT :room FOR NO KEY UPDATE SKIP LOCKED
    ))
    RETURNING 1
)
SELECT count(*) FROM through

-- name: open_gate
-- In every queue from which somebody stands before it, but one; a jump from queue to queue.
WITH RECURSIVE standing (queue) AS (
    (
        SELECT queue FROM afterwards_tasks WHERE {is_standing} AND gate = :gate AND gate_key = :key
        ORDER BY queue LIMIT 1
    )
    UNION ALL
    SELECT next.queue FROM standing CROSS JOIN LATERAL (
        SELECT queue FROM afterwards_tasks
        WHERE {is_standing} AND gate = :gate AND gate_key = :key AND queue > standing.queue ORDER BY queue LIMIT 1
    ) AS next
)
INSERT INTO afterwards_openings (queue, gate, gate_key, opens)
SELECT queue, :gate, :key, :opens::timestamptz FROM standing
WHERE queue IS DISTINCT FROM :unless::text AND NOT EXISTS (
    SELECT 1 FROM afterwards_openings AS known
    WHERE known.gate = :gate AND known.gate_key = :key AND known.queue = standing.queue AND known.opens <= :opens
)

-- name: open_quota
-- All its gates at which somebody stands, since what it allows has changed.
WITH RECURSIVE standing (gate_key, queue) AS (
    (
        SELECT gate_key, queue FROM afterwards_tasks WHERE {is_standing} AND gate = :gate
        ORDER BY gate_key, queue LIMIT 1
    )
    UNION ALL
    SELECT next.gate_key, next.queue FROM standing CROSS JOIN LATERAL (
        SELECT gate_key, queue FROM afterwards_tasks
        WHERE {is_standing} AND gate = :gate AND (gate_key, queue) > (standing.gate_key, standing.queue)
        ORDER BY gate_key, queue LIMIT 1
    ) AS next
)
INSERT INTO afterwards_openings (queue, gate, gate_key, opens) SELECT queue, :gate, gate_key, 'epoch' FROM standing

-- name: standing_gates
-- Gates at which somebody stands, from one on: a jump from gate to gate.
WITH RECURSIVE standing (gate, gate_key) AS (
    SELECT :gate::text COLLATE "C", :key::text COLLATE "C"
    UNION ALL
    SELECT next.gate, next.gate_key FROM standing CROSS JOIN LATERAL (
        SELECT gate, gate_key FROM afterwards_tasks
        WHERE {is_standing} AND (gate, gate_key) > (standing.gate, standing.gate_key)
        ORDER BY gate, gate_key LIMIT 1
    ) AS next
)
SELECT gate, gate_key FROM standing OFFSET 1 LIMIT :limit

-- name: list_quotas
-- By name, as workers declared them.
SELECT name, most, rate, period FROM afterwards_quotas ORDER BY name

-- name: declare_quota
-- The last to sign on decides.
INSERT INTO afterwards_quotas (name, most, rate, period, declared)
VALUES (:name, :most, :rate, :period, {now})
ON CONFLICT (name) DO UPDATE SET most = excluded.most, rate = excluded.rate, period = excluded.period,
    declared = excluded.declared

-- name: limit_running
-- What was claimed while nothing was declared counts too.
UPDATE afterwards_tasks SET limited = true WHERE sequence = ANY(ARRAY(
    SELECT task.sequence FROM afterwards_tasks AS task
    WHERE task.state = 'running' AND NOT task.limited AND {is_limited} FOR NO KEY UPDATE OF task SKIP LOCKED
))

-- name: forget_quotas
-- What nobody who is signed on declares any more. One that has just been declared may be its worker's first word, which
-- this statement does not see yet.
DELETE FROM afterwards_quotas AS quota WHERE declared < {now} - interval '10 seconds' AND NOT EXISTS (
    SELECT 1 FROM afterwards_workers AS worker WHERE quota.name = ANY(worker.quotas)
)
RETURNING name

-- name: forget_old_passes
-- Of gates that nobody passes any more; no rate looks back further than a day.
DELETE FROM afterwards_passes WHERE ended < {now} - interval '2 days'

-- name: next_due
-- In how many seconds the first task is due that this worker could claim; NULL when there is none. The heads of its
-- lines, past the names it does not know, and the suspects, if it would take one; and the gates that open.
WITH RECURSIVE {lines},
claimer AS MATERIALIZED (SELECT id, queues FROM afterwards_workers WHERE id = :worker AND NOT leaving),
{opening_queues},
head AS (
    SELECT (
        SELECT due FROM afterwards_tasks
        WHERE {is_claimable} AND queue = task.queue AND priority = task.priority
        AND (due, sequence) >= (task.due, task.sequence) AND name <> ALL(:unknown::text[])
        ORDER BY due, sequence LIMIT 1
    ) AS due
    FROM line AS task CROSS JOIN claimer WHERE {is_open}
    UNION ALL
    SELECT task.due FROM afterwards_tasks AS task CROSS JOIN claimer
    WHERE :suspects::boolean AND {is_suspect} AND {is_open} AND name <> ALL(:unknown::text[])
    UNION ALL
    SELECT (
        SELECT opens FROM afterwards_openings WHERE queue = own.queue AND {is_known_gate} ORDER BY opens LIMIT 1
    )
    FROM own_opening_queue AS own
)
SELECT extract(epoch FROM min(due) - {now})::float8 FROM head

-- name: held_claims
-- Which outcomes still hold their claim: every write about a run is fenced by (id, run, worker). They are locked, so
-- that what follows in this transaction may go by the sequence, and so that the followers seen then are all there are. Only
-- what runs has a worker, so the state need not be asked; and asked like this, nothing but the index of ids will do.
SELECT claim.place, task.sequence, task.stop_asked, task.link
FROM unnest(:ids::uuid[], :runs::bigint[], :workers::text[]) WITH ORDINALITY AS claim (id, run, worker, place)
JOIN afterwards_tasks AS task ON task.id = claim.id
WHERE task.run = claim.run AND task.worker IS NOT DISTINCT FROM claim.worker
ORDER BY task.sequence, claim.place FOR NO KEY UPDATE OF task

-- fragment: freed
-- Nothing holds any more those of `free (sequence, name, queue, due, claimed_by)`, which are locked; whom a claimer may
-- have, it has at once. Asked like this whether they are held, no index of all that is held is read.
claimer AS MATERIALIZED ({claimers}),
judged AS MATERIALIZED (
    SELECT task.*, task.due <= {now} AND {is_open} AND NOT {is_limited} AS is_claimed
    FROM free AS task LEFT JOIN claimer ON claimer.id = task.claimed_by
),
freed AS (
    UPDATE afterwards_tasks AS task
    SET held = NULL,
        state = CASE WHEN is_claimed THEN 'running' ELSE 'waiting' END,
        worker = CASE WHEN is_claimed THEN claimed_by END,
        started = CASE WHEN is_claimed THEN {now} ELSE started END,
        progress = CASE WHEN is_claimed THEN NULL ELSE progress END,
        run = run + is_claimed::integer,
        attempt = attempt + is_claimed::integer
    FROM judged WHERE task.sequence = judged.sequence AND task.held IS NOT DISTINCT FROM 'after'
    RETURNING task.*
)

-- fragment: followers
-- Who is held in a line after a `former (id, claimed_by)`, and whether that one's claimer may have it at once. One look-up
-- for each former, also while no statistics say how few they are: a join might read all that is held.
free AS MATERIALIZED (
    SELECT task.sequence, task.name, task.queue, task.due, former.claimed_by
    FROM former CROSS JOIN LATERAL (
        SELECT sequence, name, queue, due FROM afterwards_tasks AS task
        WHERE held = 'after' AND after = former.id AND NOT ({is_step})
        ORDER BY sequence FOR NO KEY UPDATE
    ) AS task
),
{freed}

-- name: settle_outcomes
-- All outcomes in one statement, and who waited for those whose turn is over. Without a `delay` the task keeps its
-- place in the line: it was given back. A run that counts, and after which the task waits again, is one of its tries from
-- now on. The rows were locked by the statement before.
WITH outcome AS MATERIALIZED (
    SELECT * FROM unnest(
        :sequences::bigint[], :ids::uuid[], :states::text[], :holds::text[], :delays::interval[], :took::interval[],
        :ends::boolean[], :gives_back::boolean[], :frees::boolean[], :keeps_error::boolean[], :errors::text[],
        :results::text[], :progress::text[], :logs::text[], :claimed_by::text[]
    ) AS outcome (
        sequence, id, state, held, delay, took, ends, gives_back, frees, keeps_error, error, result, progress, logs,
        claimed_by
    )
),
settled AS (
    UPDATE afterwards_tasks AS task
    SET state = outcome.state,
        held = outcome.held,
        due = CASE WHEN outcome.delay IS NULL THEN task.due ELSE least({now} + outcome.delay, {last}) END,
        started = greatest({now} - outcome.took, CASE WHEN outcome.took IS NOT NULL THEN timestamptz 'epoch' END),
        ended = CASE WHEN outcome.ends THEN {now} END,
        attempt = task.attempt - outcome.gives_back::integer,
        freed = task.freed OR outcome.frees,
        error = CASE WHEN outcome.keeps_error THEN task.error ELSE outcome.error END,
        result = outcome.result,
        progress = coalesce(outcome.progress, task.progress),
        logs = coalesce(outcome.logs, task.logs),
        tries = CASE WHEN outcome.frees AND outcome.state = 'waiting' THEN (
            SELECT {noted_tries} FROM (
                SELECT
                    greatest({now} - outcome.took, timestamptz 'epoch') AS began, {now} AS over,
                    CASE WHEN outcome.gives_back THEN 'again' ELSE 'failed' END AS how, outcome.error AS failure
            ) AS run
        ) ELSE task.tries END,
        worker = NULL
    FROM outcome WHERE task.sequence = outcome.sequence
),
former AS (SELECT id, claimed_by FROM outcome WHERE frees),
{followers}
SELECT {task} FROM freed AS task ORDER BY task.sequence

-- name: note_progress
-- Fenced like every write about a run. What somebody else has locked is passed over: a transaction of the user's may be
-- settling it, and hold it for long.
WITH note AS MATERIALIZED (
    SELECT task.sequence, note.progress
    FROM unnest(:ids::uuid[], :runs::bigint[], :workers::text[], :progress::text[]) AS note (id, run, worker, progress)
    JOIN afterwards_tasks AS task ON task.id = note.id
    WHERE task.run = note.run AND task.worker IS NOT DISTINCT FROM note.worker
    ORDER BY task.sequence FOR NO KEY UPDATE OF task SKIP LOCKED
)
UPDATE afterwards_tasks AS task SET progress = note.progress FROM note WHERE task.sequence = note.sequence
RETURNING task.id

-- name: free_followers
-- The same for tasks that have ended in another way: nobody claims what this frees. How many, and whether steps of chains
-- are held after these tasks, asked of each by itself, as OFFSET 0 has it.
WITH former AS (SELECT id, NULL::text AS claimed_by FROM unnest(:ids::uuid[]) AS former (id)),
{followers}
SELECT count(*), EXISTS (
    SELECT 1 FROM former CROSS JOIN LATERAL (
        SELECT 1 FROM afterwards_tasks AS task WHERE held = 'after' AND after = former.id AND {is_step} OFFSET 0
    ) AS step
)
FROM freed

-- name: lock_steps
-- The steps that are held after these; if `all`, also those that are held after them, and so on. These others are found
-- before their formers are locked: who ends those looks again. Asked of each by itself, as OFFSET 0 has it, and by the
-- sequence in the end, so that never all that is held is read.
WITH RECURSIVE step (sequence, id) AS (
    SELECT found.sequence, found.id FROM unnest(:ids::uuid[]) AS former (id) CROSS JOIN LATERAL (
        SELECT sequence, id FROM afterwards_tasks AS task
        WHERE held = 'after' AND after = former.id AND {is_step} OFFSET 0
    ) AS found
    UNION
    SELECT found.sequence, found.id FROM step CROSS JOIN LATERAL (
        SELECT sequence, id FROM afterwards_tasks AS task
        WHERE held = 'after' AND after = step.id AND {is_step} OFFSET 0
    ) AS found
    WHERE :all::boolean
)
SELECT id, after, link FROM afterwards_tasks
WHERE sequence = ANY(ARRAY(SELECT sequence FROM step)) AND held IS NOT DISTINCT FROM 'after'
ORDER BY sequence FOR NO KEY UPDATE

-- name: lock_needs
-- Nobody settles, cancels or retries these until the end of this transaction. How they stand, the next statement says.
SELECT 1 FROM afterwards_tasks WHERE id = ANY(:ids::uuid[]) ORDER BY sequence FOR SHARE

-- name: states_among
-- Of these ids, those that are stored, and in which state.
SELECT id, state FROM afterwards_tasks WHERE id = ANY(:ids::uuid[])

-- name: hold_steps
-- What these steps wait for has ended; they wait for something else. They and that are locked.
UPDATE afterwards_tasks AS task SET after = step.after FROM unnest(:ids::uuid[], :afters::uuid[]) AS step (id, after)
WHERE task.id = step.id

-- name: end_steps
-- These can never start. They remember which task broke their chain. They and that are locked.
UPDATE afterwards_tasks AS task
SET state = 'cancelled', held = NULL, after = step.after, error = step.error, ended = {now}, freed = true
FROM unnest(:ids::uuid[], :afters::uuid[], :errors::text[]) AS step (id, after, error) WHERE task.id = step.id

-- name: free_steps
-- All that these need has ended. They are locked.
WITH free AS MATERIALIZED (
    SELECT task.sequence, task.name, task.queue, task.due, step.claimed_by
    FROM unnest(:ids::uuid[], :claimed_by::text[]) AS step (id, claimed_by)
    JOIN afterwards_tasks AS task ON task.id = step.id
),
{freed}
SELECT {task} FROM freed AS task ORDER BY task.sequence

-- name: free_unknown
-- A worker has come that knows these names. What somebody else is just freeing is passed over.
WITH freed AS (
    UPDATE afterwards_tasks SET held = NULL WHERE sequence = ANY(ARRAY(
        SELECT sequence FROM afterwards_tasks WHERE held = 'unknown' AND name = ANY(:names::text[])
        FOR NO KEY UPDATE SKIP LOCKED
    ))
    RETURNING 1
)
SELECT count(*) FROM freed

-- name: sign_on
-- Signing on again under the same id renews the card.
INSERT INTO afterwards_workers (id, host, pid, label, queues, functions, quotas, signed_on, expires)
VALUES (:id, :host, :pid, :label, :queues, :functions, :quotas, {now}, least({now} + :lease::interval, {last}))
ON CONFLICT (id) DO UPDATE SET host = excluded.host, pid = excluded.pid, label = excluded.label,
    queues = excluded.queues, functions = excluded.functions, quotas = excluded.quotas,
    signed_on = excluded.signed_on, expires = excluded.expires, leaving = false

-- name: renew
-- No row changed: the worker was believed dead, and is lost. The clock is told either way. What it has counted goes along,
-- for nobody but itself writes to that row.
WITH renewed AS (
    UPDATE afterwards_workers SET expires = least({now} + :lease::interval, {last}) WHERE id = :worker RETURNING id
),
counted AS (
    INSERT INTO afterwards_tallies (worker, tally)
    SELECT id, :tally::text FROM renewed WHERE :tally::text IS NOT NULL
    ON CONFLICT (worker) DO UPDATE SET tally = excluded.tally
)
SELECT {now}, EXISTS (SELECT 1 FROM renewed)

-- name: keep_tally
-- The same by itself, for a worker that goes; its row is locked.
INSERT INTO afterwards_tallies (worker, tally)
SELECT id, :tally::text FROM afterwards_workers WHERE id = :worker AND :tally::text IS NOT NULL
ON CONFLICT (worker) DO UPDATE SET tally = excluded.tally

-- name: list_tallies
-- A row for each worker that is signed on, and a few for those who have gone.
SELECT worker, tally FROM afterwards_tallies

-- name: gone_tallies
-- Of those who have gone, but for what another worker that signs on is just putting together.
SELECT worker, tally FROM afterwards_tallies AS tally
WHERE NOT EXISTS (SELECT 1 FROM afterwards_workers AS w WHERE w.id = tally.worker)
FOR UPDATE SKIP LOCKED

-- name: forget_tallies
-- They are about to be put together, in the same transaction.
DELETE FROM afterwards_tallies WHERE worker = ANY(:workers::text[])

-- name: put_tally
-- What those who have gone had counted.
INSERT INTO afterwards_tallies (worker, tally) VALUES (:worker, :tally)

-- name: mark_leaving
-- It claims nothing from now on; what it still runs stays with it.
UPDATE afterwards_workers SET leaving = true WHERE id = :worker

-- name: take_worker
-- Before its tasks are given back, or it is marked: waits for whoever is just claiming for it.
SELECT id FROM afterwards_workers WHERE id = :worker FOR UPDATE

-- name: forget_worker
-- After its tasks, in the same transaction.
DELETE FROM afterwards_workers WHERE id = :worker

-- name: cancellations
-- Read twice a second while something runs: the tasks of one worker, by the index of the running.
SELECT id, run FROM afterwards_tasks WHERE state = 'running' AND worker = :worker AND stop_asked

-- name: claims
-- Read every few seconds: the tasks of one worker, by the index of the running.
SELECT id, run FROM afterwards_tasks WHERE state = 'running' AND worker = :worker

-- name: give_back
-- All that a worker still holds, as if it had never been claimed; what was asked to stop is cancelled.
UPDATE afterwards_tasks AS task
SET state = CASE WHEN stop_asked THEN 'cancelled' ELSE 'waiting' END, worker = NULL, attempt = attempt - 1,
    started = NULL, ended = CASE WHEN stop_asked THEN {now} END, freed = freed OR stop_asked
WHERE state = 'running' AND worker = :worker
RETURNING task.id, task.state

-- name: dead_workers
-- Believed dead: known to be, or not renewed in time. A row that is locked belongs to somebody who claims at this very
-- moment, or to another rescuer. One that has no row has been forgotten, and can hold nothing but what was left behind.
WITH dead AS MATERIALIZED (
    SELECT id, leaving FROM afterwards_workers
    WHERE id = ANY(:known_dead::text[]) OR (:expired::boolean AND expires < {now})
    ORDER BY id FOR UPDATE SKIP LOCKED
)
SELECT id, leaving FROM dead
UNION ALL
SELECT id, false FROM unnest(:known_dead::text[]) AS known (id)
WHERE NOT EXISTS (SELECT 1 FROM afterwards_workers AS worker WHERE worker.id = known.id)

-- name: dropped_tasks
-- What the dead left running, with what decides about it: see rescuing.py. What is just being settled is passed over.
SELECT sequence, id, worker, crashes, crashes_allowed, stop_asked FROM afterwards_tasks
WHERE state = 'running' AND worker = ANY(:workers::text[]) LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED

-- name: return_dropped
-- Fenced by the lock: the same transaction has just read them as running under a dead worker.
WITH dropped AS MATERIALIZED (
    SELECT * FROM unnest(
        :sequences::bigint[], :states::text[], :waits::interval[], :crashes::integer[], :suspects::boolean[],
        :errors::text[]
    ) WITH ORDINALITY AS dropped (sequence, state, wait, crashes, suspect, error, place)
),
returned AS (
    UPDATE afterwards_tasks AS task
    SET state = dropped.state,
        due = CASE WHEN dropped.wait IS NULL THEN task.due ELSE least({now} + dropped.wait, {last}) END,
        crashes = dropped.crashes,
        suspect = dropped.suspect,
        error = coalesce(dropped.error, task.error),
        tries = CASE WHEN dropped.state = 'waiting' AND dropped.crashes > task.crashes THEN (
            SELECT {noted_tries} FROM (
                SELECT task.started AS began, {now} AS over, 'crashed' AS how, NULL::text AS failure
            ) AS run
        ) ELSE task.tries END,
        attempt = task.attempt - (dropped.state = 'waiting')::integer,
        started = CASE WHEN dropped.state = 'waiting' THEN NULL ELSE task.started END,
        ended = CASE WHEN dropped.state = 'waiting' THEN NULL ELSE {now} END,
        freed = task.freed OR dropped.state <> 'waiting',
        worker = NULL
    FROM dropped WHERE task.sequence = dropped.sequence
    RETURNING task.*, dropped.place
)
SELECT {whole_task} FROM returned AS task ORDER BY place

-- name: forget_dead
-- Only when the last of their tasks has been returned: until then the next call goes on with them.
DELETE FROM afterwards_workers AS worker
WHERE id = ANY(:workers::text[])
AND NOT EXISTS (SELECT 1 FROM afterwards_tasks AS task WHERE task.state = 'running' AND task.worker = worker.id)

-- fragment: going
-- What becomes of tasks that are `old` and have been locked. Keys that they hold for longer note until when. One whose key
-- somebody is just writing under stays.
held AS MATERIALIZED (
    SELECT held.name, held.key, held.task, old.ended + old.unique_for AS until
    FROM old JOIN afterwards_keys AS held ON held.name = old.name AND held.key = old.key AND held.task = old.id
    FOR UPDATE OF held SKIP LOCKED
),
kept AS (
    UPDATE afterwards_keys AS key SET until = held.until FROM held
    WHERE key.name = held.name AND key.key = held.key AND held.until > {now}
),
dropped AS (
    DELETE FROM afterwards_keys AS key USING held
    WHERE key.name = held.name AND key.key = held.key AND coalesce(held.until <= {now}, true)
),
gone AS (
    DELETE FROM afterwards_tasks AS task USING old
    WHERE task.sequence = old.sequence AND (
        old.key IS NULL
        OR NOT EXISTS (
            SELECT 1 FROM afterwards_keys AS key
            WHERE key.name = old.name AND key.key = old.key AND key.task = old.id
        )
        OR EXISTS (SELECT 1 FROM held WHERE held.task = old.id)
    )
    RETURNING task.id, old.key
),
nameless AS (
    DELETE FROM afterwards_twins AS twin USING gone WHERE gone.key IS NOT NULL AND twin.task = gone.id
)

-- fragment: is_whole_over
-- Not of a chain of which others have not ended. It is asked so that the planner neither asks it once, of the whole table,
-- nor takes it for so rare that it sorts all that has ended.
CASE WHEN chain IS NULL THEN true ELSE (
    SELECT sequence FROM afterwards_tasks AS step WHERE step.chain = task.chain AND step.ended IS NULL LIMIT 1
) IS NULL END

-- name: prune
-- A chunk at a time, the oldest first. Only ended tasks have `ended`. Keys that were held for longer than their tasks were
-- kept go when that is over.
WITH old AS MATERIALIZED (
    SELECT sequence, id, name, key, ended, unique_for FROM afterwards_tasks AS task
    WHERE ended IS NOT NULL AND ended < greatest({now} - :older_than::interval, timestamptz 'epoch')
    AND {is_whole_over}
    ORDER BY ended LIMIT :limit FOR UPDATE SKIP LOCKED
),
over AS (
    DELETE FROM afterwards_keys AS key USING (
        SELECT name, key FROM afterwards_keys WHERE until IS NOT NULL AND until <= {now}
        ORDER BY until LIMIT :limit FOR UPDATE SKIP LOCKED
    ) AS over
    WHERE key.name = over.name AND key.key = over.key
),
{going}
SELECT count(*) FROM gone

-- name: lock_keys_of
-- The keys that these took last: nobody adds under them meanwhile.
SELECT 1 FROM afterwards_tasks AS task
JOIN afterwards_keys AS held ON held.name = task.name AND held.key = task.key AND held.task = task.id
WHERE task.id = ANY(:ids::uuid[]) AND task.key IS NOT NULL AND task.ended IS NOT NULL
ORDER BY held.name, held.key FOR UPDATE OF held

-- name: delete
-- The same for tasks that somebody wants to be rid of. A row that had to be waited for is judged as it is then.
WITH old AS MATERIALIZED (
    SELECT sequence, id, name, key, ended, unique_for FROM afterwards_tasks AS task
    WHERE id = ANY(:ids::uuid[]) AND ended IS NOT NULL AND {is_whole_over} AND {is_sought}
    ORDER BY sequence FOR UPDATE
),
{going}
SELECT id FROM gone

-- name: keys_to_retry
-- The keys of those of these tasks that have ended.
SELECT id, name, key FROM afterwards_tasks WHERE id = ANY(:ids::uuid[]) AND key IS NOT NULL AND ended IS NOT NULL

-- name: retry
-- The turn in its request's line stays over: a person's retry stands outside the line. Of the steps of chains, those that
-- were looked at: another may have ended since, and what was cancelled for it would not be found.
UPDATE afterwards_tasks AS task
SET state = 'waiting', due = {now}, attempt = 0, crashes = 0, suspect = false, stop_asked = false, started = NULL,
    ended = NULL, error = NULL, result = NULL, progress = NULL, logs = NULL, tries = {tries_with_the_last}
WHERE id = ANY(:ids::uuid[]) AND state IN ('done', 'failed', 'cancelled') AND {is_sought}
AND (link IS NULL OR id = ANY(:steps::uuid[]))
RETURNING task.id

-- name: ended_steps
-- Those of these tasks that are of a chain and have ended.
SELECT id, after, link, error FROM afterwards_tasks
WHERE id = ANY(:ids::uuid[]) AND link IS NOT NULL AND ended IS NOT NULL ORDER BY sequence FOR NO KEY UPDATE

-- name: broken_steps
-- What was cancelled since these tasks were not done, and since those were not, and so on; found as lock_steps does. Some
-- may have been cancelled for another reason: chains.py tells them apart.
WITH RECURSIVE step (sequence, id) AS (
    SELECT found.sequence, found.id FROM unnest(:ids::uuid[]) AS former (id) CROSS JOIN LATERAL (
        SELECT sequence, id FROM afterwards_tasks
        WHERE state = 'cancelled' AND link IS NOT NULL AND after = former.id AND error IS NOT NULL OFFSET 0
    ) AS found
    UNION
    SELECT found.sequence, found.id FROM step CROSS JOIN LATERAL (
        SELECT sequence, id FROM afterwards_tasks
        WHERE state = 'cancelled' AND link IS NOT NULL AND after = step.id AND error IS NOT NULL OFFSET 0
    ) AS found
)
SELECT id, after, link, error FROM afterwards_tasks
WHERE sequence = ANY(ARRAY(SELECT sequence FROM step)) AND state IS NOT DISTINCT FROM 'cancelled'
ORDER BY sequence FOR NO KEY UPDATE

-- name: hold_again
-- Steps that had ended wait again, for these. They and those are locked.
UPDATE afterwards_tasks AS task
SET state = 'waiting', held = 'after', after = step.after, due = greatest(task.due, {now}), freed = false, attempt = 0,
    crashes = 0, suspect = false, stop_asked = false, started = NULL, ended = NULL, error = NULL, result = NULL,
    progress = NULL, logs = NULL, tries = {tries_with_the_last}
FROM unnest(:ids::uuid[], :afters::uuid[]) AS step (id, after) WHERE task.id = step.id

-- name: lock_lines
-- These tasks, and those that they are held after: nobody settles or cancels one of them meanwhile.
SELECT id, CASE WHEN held = 'after' THEN after END FROM afterwards_tasks
WHERE id = ANY(:ids::uuid[] || ARRAY(
    SELECT after FROM afterwards_tasks WHERE id = ANY(:ids::uuid[]) AND held = 'after'
))
ORDER BY sequence FOR NO KEY UPDATE

-- name: matching
-- Of these tasks, which have been locked, those that match, each with the one that it is held after.
SELECT id, CASE WHEN held = 'after' THEN after END FROM afterwards_tasks WHERE id = ANY(:ids::uuid[]) AND {is_sought}

-- name: close_over
-- The line closes over cancelled tasks whose turn had not come: who waited for one now waits for the one before it, which
-- is not among them. A step of a chain goes on waiting for what it needs. Asked of each by itself, as OFFSET 0 has it, so
-- that never all that is held is read.
WITH follower AS (
    SELECT found.sequence, former.id, former.after FROM afterwards_tasks AS former CROSS JOIN LATERAL (
        SELECT sequence FROM afterwards_tasks AS task
        WHERE held = 'after' AND after = former.id AND NOT ({is_step}) OFFSET 0
    ) AS found
    WHERE former.id = ANY(:ids::uuid[]) AND former.held = 'after'
)
UPDATE afterwards_tasks AS task SET after = follower.after FROM follower
WHERE task.sequence = follower.sequence AND task.held IS NOT DISTINCT FROM 'after' AND task.after = follower.id

-- name: cancel_waiting
-- At once, since nobody runs them.
UPDATE afterwards_tasks AS task SET state = 'cancelled', held = NULL, ended = {now}, freed = true
WHERE id = ANY(:ids::uuid[]) AND state = 'waiting'
RETURNING task.id

-- name: ask_to_stop
-- Their workers hear of it within half a second.
UPDATE afterwards_tasks AS task SET stop_asked = true
WHERE id = ANY(:ids::uuid[]) AND state = 'running' AND NOT stop_asked
RETURNING task.id

-- name: pause
-- Its tasks stay where they are; claims pass the whole queue over.
INSERT INTO afterwards_paused (queue) VALUES (:queue) ON CONFLICT (queue) DO NOTHING

-- name: resume
-- And they are claimed again.
DELETE FROM afterwards_paused WHERE queue = :queue

-- name: list_schedules
-- By name, and the store's now, also where there are none. There are as many as the code has, not as many as have
-- ticked.
SELECT {now}, name, function, line, last, seen, paused, asked
FROM (SELECT) AS one LEFT JOIN afterwards_schedules ON true ORDER BY name

-- name: plan_schedule
-- A new one counts from now. What the code says of an old one changes it when that code starts, or nobody says
-- otherwise.
INSERT INTO afterwards_schedules AS old (name, function, line, last, seen)
VALUES (:name, :function, :line, {now}, {now})
ON CONFLICT (name) DO UPDATE SET
    function = excluded.function,
    line = excluded.line,
    last = CASE
        WHEN old.function = excluded.function AND old.line = excluded.line THEN old.last ELSE excluded.last
    END,
    seen = excluded.seen
WHERE (old.function = excluded.function AND old.line = excluded.line)
OR :starting::boolean OR old.seen < {now} - interval '1 minute'

-- name: tick
-- The condition is what makes each tick once: whoever comes second waits for the row, and finds another `last`.
UPDATE afterwards_schedules SET last = :to
WHERE name = :name AND line = :line AND last = :after AND :to <= {now} AND NOT paused
RETURNING name

-- name: tick_by_hand
-- Somebody asked for it.
UPDATE afterwards_schedules SET asked = false WHERE name = :name AND line = :line AND asked
RETURNING name

-- name: pause_schedule
-- It ticks no more.
UPDATE afterwards_schedules SET paused = true WHERE name = :name
RETURNING name

-- name: resume_schedule
-- It ticks again, from now on.
UPDATE afterwards_schedules SET last = CASE WHEN paused THEN {now} ELSE last END, paused = false WHERE name = :name
RETURNING name

-- name: run_schedule
-- The next janitor that knows it adds its call.
UPDATE afterwards_schedules SET asked = true WHERE name = :name
RETURNING name

-- name: forget_schedule
-- Its code is gone.
DELETE FROM afterwards_schedules WHERE name = :name
RETURNING name

-- fragment: place_of_last
-- Where a page begins. Paging goes by the sequence of the task last seen; nothing follows one that was pruned.
(SELECT last.sequence FROM afterwards_tasks AS last WHERE last.id = :after::uuid)

-- name: hand_over
-- The oldest first, in the order of the table's key. `after` moves the start of its range, so that a whole move reads
-- the table once.
SELECT {whole_task} FROM afterwards_tasks AS task
WHERE state = 'waiting' AND sequence > CASE WHEN :after::uuid IS NULL THEN 0 ELSE {place_of_last} END
ORDER BY sequence LIMIT :limit

-- name: formers
-- Of these tasks, those that are stored, and whether their turn is over. Locked for the reason that add_calls has.
SELECT id, freed FROM afterwards_tasks WHERE id = ANY(:ids::uuid[]) ORDER BY sequence FOR SHARE

-- name: receive_tasks
-- Tasks of another store, as they were there. What is stored already has gone on since, and stays as it is.
INSERT INTO afterwards_tasks AS task (
    id, name, arguments, queue, priority, held, after, due, added, attempt, run, crashes, crashes_allowed, suspect,
    freed, started, retry, error, result, progress, key, timeout, unique_for, deadline, trace, keeps, logs, limit_key,
    chain, link, tries, state
)
SELECT
    id, name, arguments, queue, priority, held, after, least(greatest(due, {first}), {last}), added, attempt, run,
    crashes, crashes_allowed, suspect, freed, started, retry, error, result, progress, key, timeout, unique_for,
    CASE WHEN deadline IS NOT NULL THEN least(greatest(deadline, {first}), {last}) END, trace, keeps, logs, limit_key,
    chain, link, tries::jsonb, 'waiting'
FROM unnest(
    :ids::uuid[], :task_names::text[], :arguments::text[], :queues::text[], :priorities::smallint[], :holds::text[],
    :afters::uuid[], :dues::timestamptz[], :added::timestamptz[], :attempts::integer[], :runs::integer[],
    :crashes::integer[], :allowed::integer[], :suspects::boolean[], :turns_over::boolean[], :started::timestamptz[],
    :retries::text[], :errors::text[], :results::text[], :progress::text[], :keys::text[],
    :timeouts::interval[], :deadlines::timestamptz[], :unique_for::interval[], :traces::text[], :keeps::text[],
    :logs::text[], :limit_keys::text[], :chains::text[], :links::text[], :tries::text[]
) WITH ORDINALITY AS received (
    id, name, arguments, queue, priority, held, after, due, added, attempt, run, crashes, crashes_allowed, suspect,
    freed, started, retry, error, result, progress, key, timeout, deadline, unique_for, trace, keeps, logs, limit_key,
    chain, link, tries, place
)
ORDER BY place
ON CONFLICT (id) DO NOTHING
RETURNING task.id

-- name: twins_of
-- The other names of these tasks.
SELECT id, task FROM afterwards_twins WHERE task = ANY(:ids::uuid[]) ORDER BY id

-- name: lock_waiting
-- Those of a list that may be deleted.
SELECT id FROM afterwards_tasks WHERE id = ANY(:ids::uuid[]) AND state = 'waiting' ORDER BY sequence FOR UPDATE

-- name: forget_tasks
-- By id alone: the same transaction has just locked them as waiting. Their keys and their other names go with them.
WITH forgotten AS (
    DELETE FROM afterwards_tasks WHERE id = ANY(:ids::uuid[]) RETURNING id, name, key
),
free AS (
    DELETE FROM afterwards_keys AS held USING forgotten AS task
    WHERE held.name = task.name AND held.key = task.key AND held.task = task.id
)
DELETE FROM afterwards_twins AS twin USING forgotten WHERE forgotten.key IS NOT NULL AND twin.task = forgotten.id

-- fragment: kind
-- The class of the last error, in the words of its index.
((error::json ->> 'kind') COLLATE "C")

-- fragment: is_error
-- An error of this class, by its whole name or by how that ends, if one is asked for. Not where the index has led to it
-- already: the planner would take that for rarer than it is, and sort what it could read in order.
(
    :error::text IS NULL
    OR error IS NOT NULL AND ({kind} = :error OR right({kind}, length(:error_ending)) = :error_ending)
)

-- fragment: matches
-- What a search may narrow by, beyond what leads to a task.
(:queue::text IS NULL OR queue = :queue) AND (:name::text IS NULL OR name = :name)
AND (:key::text IS NULL OR key = :key)
AND (:added_after::timestamptz IS NULL OR added >= :added_after)
AND (:added_before::timestamptz IS NULL OR added < :added_before)

-- fragment: is_sought
-- All of it, for tasks that are known by their ids.
{is_wanted} AND {matches} AND {is_error}

-- fragment: page
-- The rest of every search. The place moves the start of the range, so that no page is read twice.
sequence < CASE WHEN :after::uuid IS NULL THEN coalesce(:bookmark::bigint, 9223372036854775807) ELSE {place_of_last} END
AND {matches} ORDER BY sequence DESC LIMIT :limit

-- fragment: is_wanted
-- In one of these states.
state = ANY(:states::text[])

-- name: states
-- By the index of ids; under the id that was asked for, which may be another name.
SELECT wanted.id, task.state FROM unnest(:ids::uuid[]) AS wanted (id)
LEFT JOIN afterwards_twins AS twin ON twin.id = wanted.id
JOIN afterwards_tasks AS task ON task.id = coalesce(twin.task, wanted.id)

-- fragment: sought_by_id
-- By the index of ids; the other conditions filter these few.
SELECT sequence, id FROM afterwards_tasks
WHERE id = ANY(ARRAY(
    SELECT id FROM unnest(:ids::uuid[]) AS id UNION SELECT task FROM afterwards_twins WHERE id = ANY(:ids::uuid[])
))
AND {is_wanted} AND {is_error} AND {page}

-- fragment: sought_by_key
-- By an index for this question.
SELECT sequence, id FROM afterwards_tasks WHERE key = :key AND {is_wanted} AND {is_error} AND {page}

-- fragment: sought_by_error
-- By an index for this question: a jump from class to class, of which there are few, since a bare name may be that of
-- several. Then one range for each class and state, of which the newest are merged.
WITH RECURSIVE class (kind) AS (
    (SELECT {kind} FROM afterwards_tasks WHERE error IS NOT NULL ORDER BY {kind} LIMIT 1)
    UNION ALL
    SELECT next.kind FROM class CROSS JOIN LATERAL (
        SELECT {kind} AS kind FROM afterwards_tasks WHERE error IS NOT NULL AND {kind} > class.kind
        ORDER BY {kind} LIMIT 1
    ) AS next
)
SELECT task.sequence, task.id
FROM class CROSS JOIN unnest(:states::text[]) AS wanted (state) CROSS JOIN LATERAL (
    SELECT sequence, id FROM afterwards_tasks
    WHERE error IS NOT NULL AND {kind} = class.kind AND afterwards_tasks.state = wanted.state AND {page}
) AS task
WHERE class.kind = :error OR right(class.kind, length(:error_ending)) = :error_ending
ORDER BY sequence DESC LIMIT :limit

-- fragment: sought_by_state
-- By an index for each state but that of the many that are done. The few that wait may stand among millions of those, and
-- there is no index of them all: so by the five that hold them, each of which may also be the quicker read backwards
-- through the table. What runs is as much as the workers hold.
SELECT sequence, id FROM (
    (SELECT sequence, id FROM afterwards_tasks WHERE 'waiting' = ANY(:states) AND {is_claimable} AND {page})
    UNION ALL (SELECT sequence, id FROM afterwards_tasks WHERE 'waiting' = ANY(:states) AND {is_suspect} AND {page})
    UNION ALL (SELECT sequence, id FROM afterwards_tasks WHERE 'waiting' = ANY(:states) AND held = 'after' AND {page})
    UNION ALL (SELECT sequence, id FROM afterwards_tasks WHERE 'waiting' = ANY(:states) AND held = 'unknown' AND {page})
    UNION ALL (SELECT sequence, id FROM afterwards_tasks WHERE 'waiting' = ANY(:states) AND {is_standing} AND {page})
    UNION ALL (SELECT sequence, id FROM afterwards_tasks WHERE 'running' = ANY(:states) AND state = 'running' AND {page})
    UNION ALL (SELECT sequence, id FROM afterwards_tasks WHERE 'failed' = ANY(:states) AND state = 'failed' AND {page})
    UNION ALL (
        SELECT sequence, id FROM afterwards_tasks WHERE 'cancelled' = ANY(:states::text[]) AND state = 'cancelled' AND {page}
    )
) AS task
ORDER BY sequence DESC LIMIT :limit

-- fragment: sought_newest
-- Backwards through the table until `limit` are found: of done tasks, the many, that is soon. For a rare name or queue
-- it may have to look at all, so no worker's statement waits behind it.
SELECT sequence, id FROM afterwards_tasks WHERE {is_wanted} AND {page}

-- fragment: tasks_sought
-- The whole tasks of what a search has found, which goes before.
SELECT {whole_task} FROM afterwards_tasks AS task
WHERE sequence = ANY(ARRAY(SELECT sequence FROM sought)) ORDER BY sequence DESC

-- name: find_by_id
-- For ids.
WITH sought AS ({sought_by_id}) {tasks_sought}

-- name: seek_by_id
-- The same without the tasks.
{sought_by_id}

-- name: find_by_key
-- For a key.
WITH sought AS ({sought_by_key}) {tasks_sought}

-- name: seek_by_key
-- The same without the tasks.
{sought_by_key}

-- name: find_by_error
-- For a class of error.
WITH sought AS ({sought_by_error}) {tasks_sought}

-- name: seek_by_error
-- The same without the tasks.
{sought_by_error}

-- name: find_by_state
-- For states of which there are few.
WITH sought AS ({sought_by_state}) {tasks_sought}

-- name: seek_by_state
-- The same without the tasks.
{sought_by_state}

-- name: find_newest
-- For the others.
WITH sought AS ({sought_newest}) {tasks_sought}

-- name: seek_newest
-- The same without the tasks.
{sought_newest}

-- name: count_tasks
-- Everything at one moment, each part by its own index: what is counted, of what kind, why it is held, how many,
-- how many of those are due, and since when the first that nothing holds. What stands before a gate is due: it waits for
-- its turn alone.
WITH waiting AS (
    SELECT queue, NULL AS held, due <= {now} AS is_due, CASE WHEN due <= {now} THEN due END AS since
    FROM afterwards_tasks WHERE {is_claimable}
    UNION ALL SELECT queue, NULL, due <= {now}, CASE WHEN due <= {now} THEN due END
    FROM afterwards_tasks WHERE {is_suspect}
    UNION ALL SELECT queue, held, false, NULL FROM afterwards_tasks WHERE held = 'after'
    UNION ALL SELECT queue, held, false, NULL FROM afterwards_tasks WHERE held = 'unknown'
    UNION ALL SELECT queue, held, true, NULL FROM afterwards_tasks WHERE {is_standing}
)
SELECT {now}, 'now', NULL, NULL, 0, 0, NULL
UNION ALL SELECT NULL, 'waiting', queue, held, count(*), count(*) FILTER (WHERE is_due), min(since) FROM waiting GROUP BY queue, held
UNION ALL SELECT NULL, 'ended', state, NULL, count(*), 0, NULL
    FROM afterwards_tasks WHERE ended IS NOT NULL GROUP BY state
UNION ALL SELECT NULL, 'running', NULL, NULL, count(*), 0, NULL FROM afterwards_tasks WHERE state = 'running'
UNION ALL SELECT NULL, 'paused', queue, NULL, 0, 0, NULL FROM afterwards_paused

-- name: count_recent
-- Those that ended last, by their index, a bounded number. If there are as many as that, more may have ended in the same
-- moment as the earliest of them, so that it is counted what came after that. In front, since when.
WITH recent AS MATERIALIZED (
    SELECT queue, state, ended FROM afterwards_tasks
    WHERE ended IS NOT NULL AND ended > greatest({now} - :within::interval, timestamptz 'epoch')
    ORDER BY ended DESC LIMIT :limit
),
bound AS MATERIALIZED (
    SELECT CASE WHEN count(*) < :limit THEN greatest({now} - :within::interval, timestamptz 'epoch') ELSE min(ended) END
        AS since
    FROM recent
)
SELECT since, {now}, NULL, 0 FROM bound
UNION ALL
SELECT NULL, NULL, recent.queue, count(*) FROM bound CROSS JOIN recent
WHERE recent.ended > bound.since AND recent.state IN ('done', 'failed') GROUP BY recent.queue

-- name: unknown_names
-- The names that no worker knew, each found by a jump in the index.
WITH RECURSIVE unknown (name) AS (
    (SELECT name FROM afterwards_tasks WHERE held = 'unknown' ORDER BY name LIMIT 1)
    UNION ALL
    SELECT next.name FROM unknown CROSS JOIN LATERAL (
        SELECT name FROM afterwards_tasks WHERE held = 'unknown' AND name > unknown.name ORDER BY name LIMIT 1
    ) AS next
)
SELECT name FROM unknown

-- name: list_workers
-- In the order in which they came.
SELECT id, host, pid, label, signed_on, expires, leaving FROM afterwards_workers ORDER BY signed_on, id

-- name: store_id
-- What tells this store from every other.
SELECT id FROM afterwards_store

-- name: notify
-- Wakes those who listen in other processes; alone in its transaction, since it locks out other notices until that ends.
SELECT pg_notify(:channel, '')

-- name: notify_oneself
-- Whether notices come through at all; who gives them is told apart by the process of the server.
SELECT pg_backend_pid() FROM pg_notify(:channel, '')

-- name: settings
-- What `check` tells of the server, in the order of checkup.py.
SELECT current_setting('server_version_num'), current_setting('server_version'), current_setting('fsync'),
    current_setting('full_page_writes'), current_setting('synchronous_commit'), current_setting('max_connections'),
    pg_is_in_recovery()::text, coalesce(current_schema(), ''),
    coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)::text

-- name: has_schema
-- Whether this database has been ours before. Asked of the catalogue itself: `to_regclass` may answer from a cache that
-- does not know yet what another process has made while this one waited for lock_schema.
SELECT EXISTS (SELECT 1 FROM pg_class WHERE relname = 'afterwards_schema' AND relkind = 'r' AND pg_table_is_visible(oid))

-- name: lock_schema
-- Processes that start together take the steps one after another. The number is ours: "afterwar" in ASCII.
SELECT pg_advisory_xact_lock(7018425048364441970)

-- name: applied_steps
-- The steps that were taken, and the oldest code that each allows.
SELECT version, oldest_code FROM afterwards_schema
