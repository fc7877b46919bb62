-- with: shared gates steps tries followers adding
-- Writes how runs ended, each fenced by its claim: an outcome whose task does not run as (id, run, worker) any more
-- changes nothing. Then stores the calls they brought, and frees the followers of those whose turn is over.
--
-- ARGV: the claimer of followers or '', the number of outcomes, then for each: id, run, worker, state, hold, delay or ''
-- to keep its place, how long it took or '' when untried, whether it gives its attempt back, frees followers and keeps
-- the last error, error, result, progress and logs (or '', to leave what there is), the number of its calls, and those. Answers with a letter for each outcome, '1' when
-- its claim held, and the followers that the claimer got. Sent again after a lost answer, it tells the same.

local claimer, count, at = ARGV[FIRST], tonumber(ARGV[FIRST + 1]), FIRST + 2
local OUTCOME_WIDTH = 15

local over, brought, settled = {}, {}, {}

-- A run that somebody asked to stop does not wait for another try.
local function cancelled_instead(life, state)
    return life[STOP] == '1' and state == IS_WAITING
end

local function settle(life, from)
    local id, _, _, state, held, delay, took, gives_back, frees, keeps_error, error, result,
        progress, logs = unpack(ARGV, from, from + OUTCOME_WIDTH - 2)
    if cancelled_instead(life, state) then
        state, held, gives_back, frees = IS_CANCELLED, '', '0', '1'
        took = took == '' and '0' or took
    end
    stop_running(id, life)
    life[STARTED] = took == '' and '' or earlier(took)
    if frees == '1' and state == IS_WAITING then
        tries.note(id, life, life[STARTED], NOW_TEXT, gives_back == '1' and 'again' or 'failed', error)
    end
    life[TOUCHED], life[ATTEMPT] = TOKEN, whole(life[ATTEMPT] - gives_back)
    if keeps_error == '0' then
        set_error(id, life, error)
    end
    set_text(id, life, 'r', result)
    if progress ~= '' then
        set_text(id, life, 'p', progress)
    end
    if logs ~= '' then
        set_text(id, life, 'l', logs)
    end
    if frees == '1' then
        life[FREED] = '1'
        over[#over + 1] = id
    end
    if state == IS_WAITING then
        life[HELD] = held
        life[DUE] = delay == '' and life[DUE] or later(delay)
        mark(id, life, IS_WAITING)
        enter(id, life)
    else
        finish(id, life, state)
    end
    write(id, life)
end

local function holds(id, life, run, worker)
    return life and life[STATE] == IS_RUNNING and life[RUN] == run and life[WORKER] == worker
end

local function was_settled(id, life, run)
    return IS_AGAIN and life and life[TOUCHED] == TOKEN and life[RUN] == run
end

local function brings_calls()
    local from = at
    for _ = 1, count do
        local calls = tonumber(ARGV[from + OUTCOME_WIDTH - 1])
        if calls > 0 then
            return true
        end
        from = from + OUTCOME_WIDTH
    end
    return false
end

local start = brings_calls() and begin or proceed
local seen, held = {}, {}
for number = 1, count do
    local id, run, worker = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    local calls = tonumber(ARGV[at + OUTCOME_WIDTH - 1])
    local life = read(id)
    if holds(id, life, run, worker) then
        start()
        settle(life, at)
        brought[#brought + 1] = {at + OUTCOME_WIDTH, calls}
        held[number] = '1'
    else
        held[number] = was_settled(id, life, run) and not seen[id] and '1' or '0'
    end
    seen[id] = true
    at = at + OUTCOME_WIDTH + calls * CALL_WIDTH
end
for _, calls in ipairs(brought) do
    store_calls(calls[1], calls[2])
end
local claimed = followers.free(over, claimer)
if IS_AGAIN and claimer ~= '' then
    for _, member in ipairs(of_worker(RUNNING, claimer, -1)) do
        local id = id_of(member)
        if not seen[id] and read(id)[TOUCHED] == TOKEN then
            claimed[#claimed + 1] = id
        end
    end
end
return answer({concat(held), all_told(claimed)})
