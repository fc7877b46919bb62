-- with: shared gates steps
-- What the dead left running: workers known to be dead and, if asked, those whose lease is over. The dead who hold
-- nothing are forgotten at once; what becomes of the tasks is decided outside, and written by rescue.
--
-- ARGV: whether leases count, limit, those known to be dead. Answers with id, run, worker, crashes, crashes allowed,
-- whether it was asked to stop, and whether its worker was leaving.

local believes_leases, limit = ARGV[FIRST] == '1', tonumber(ARGV[FIRST + 1])

local dead, is_dead = {}, {}
local function believe_dead(worker)
    if not is_dead[worker] then
        dead[#dead + 1] = worker
        is_dead[worker] = true
    end
end
for at = FIRST + 2, #ARGV do
    believe_dead(ARGV[at])
end
if believes_leases then
    for _, worker in ipairs(call('ZRANGEBYSCORE', LEASES, '-inf', '(' .. NOW_TEXT, 'LIMIT', 0, 100)) do
        believe_dead(worker)
    end
end

local function is_leaving(worker)
    local card = call('HGET', WORKERS, worker)
    return card and split(card)[5] == '1'
end

local tasks = {}
for _, worker in ipairs(dead) do
    local leaving = is_leaving(worker) and 1 or 0
    local members = of_worker(RUNNING, worker, math.max(limit - #tasks, 0))
    for _, member in ipairs(members) do
        local id = id_of(member)
        local life = read(id)
        tasks[#tasks + 1] = {id, life[RUN], worker, life[CRASHES], life[ALLOWED], life[STOP], leaving}
    end
    if #of_worker(RUNNING, worker, 1) == 0 and call('HEXISTS', WORKERS, worker) == 1 then
        proceed()
        call('HDEL', WORKERS, worker)
        call('ZREM', LEASES, worker)
    end
end
return answer(tasks)
