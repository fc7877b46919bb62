-- with: shared gates steps followers
-- A worker stops: what it holds waits again, with no attempt or crash spent, and its card goes. What was asked to stop
-- is cancelled instead, which frees its followers. A leaving worker is only marked.
--
-- ARGV: worker, whether it is leaving, what it has counted or ''.

local worker, is_leaving = ARGV[FIRST], ARGV[FIRST + 1] == '1'

local function give_back(id)
    local life = read(id)
    local is_stopped = life[STOP] == '1'
    stop_running(id, life)
    life[ATTEMPT], life[STARTED], life[TOUCHED] = whole(life[ATTEMPT] - 1), '', TOKEN
    if is_stopped then
        finish(id, life, IS_CANCELLED)
    else
        mark(id, life, IS_WAITING)
        enter(id, life)
    end
    write(id, life)
    return is_stopped
end

if is_leaving then
    local card = call('HGET', WORKERS, worker)
    if card then
        proceed()
        local parts = split(card)
        parts[5] = '1'
        call('HSET', WORKERS, worker, concat(parts, '\0'))
        keep_tally(worker, ARGV[FIRST + 2])
    end
    return answer({})
end

proceed()
local over = {}
for _, member in ipairs(of_worker(RUNNING, worker, -1)) do
    local id = id_of(member)
    if give_back(id) then
        over[#over + 1] = id
    end
end
followers.free(over, '')
keep_tally(worker, ARGV[FIRST + 2])
call('HDEL', WORKERS, worker)
call('ZREM', LEASES, worker)
return answer({})
