-- with: shared gates steps tries followers
-- Returns what dead workers left running, as it was decided for each; fenced by the run, since others may have rescued
-- it meanwhile. A dead worker's card goes with its last task.
--
-- ARGV: for each task id, run, worker, state, delay or '' to keep its place, crashes, whether it is a suspect, error.
-- Answers with the tasks as they are then.

local WIDTH = 8

local over, returned, workers = {}, {}, {}

local function give_back(at)
    local id, run, worker, state, delay, crashes, suspect, error = unpack(ARGV, at, at + WIDTH - 1)
    workers[worker] = true
    local life = read(id)
    if not life or life[STATE] ~= IS_RUNNING or life[RUN] ~= run or life[WORKER] ~= worker then
        if IS_AGAIN and life and life[TOUCHED] == TOKEN and life[RUN] == run then
            returned[#returned + 1] = id  -- the first time, whose answer was lost
        end
        return
    end
    proceed()
    stop_running(id, life)
    if state == IS_WAITING and tonumber(crashes) > tonumber(life[CRASHES]) then
        tries.note(id, life, life[STARTED], NOW_TEXT, 'crashed', '')
    end
    life[CRASHES], life[SUSPECT], life[TOUCHED] = crashes, suspect, TOKEN
    if error ~= '' then
        set_error(id, life, error)
    end
    if state == IS_WAITING then
        life[ATTEMPT], life[STARTED] = whole(life[ATTEMPT] - 1), ''
        life[DUE] = delay == '' and life[DUE] or later(delay)
        mark(id, life, IS_WAITING)
        enter(id, life)
    else
        finish(id, life, state)
        over[#over + 1] = id
    end
    write(id, life)
    returned[#returned + 1] = id
end

for at = FIRST, #ARGV, WIDTH do
    give_back(at)
end
for worker in pairs(workers) do
    if #of_worker(RUNNING, worker, 1) == 0 then
        call('HDEL', WORKERS, worker)
        call('ZREM', LEASES, worker)
    end
end
followers.free(over, '')
local tasks = tries.all_told(returned)
return answer(tasks)
