-- with: shared gates steps passing
-- Forgets quotas that no worker declares, and opens gates that have room though nothing said so: a bounded number.
--
-- ARGV: the quota and the key of the gate after which it goes on, how many at most. Answers with the quota and the key
-- of the last gate, if there may be more.

local SOON_FORGOTTEN, LONG_AGO, CHECKED = 10 * 1000000, 2 * 86400 * 1000000, 100
local quota_before, key_before, limit = unpack(ARGV, FIRST, FIRST + 2)

local function declared()
    local names, workers = {}, call('HGETALL', DECLARED)
    for at = 1, #workers, 2 do
        if call('HEXISTS', WORKERS, workers[at]) == 1 then
            for _, name in ipairs(split(workers[at + 1])) do
                names[name] = true
            end
        else
            proceed()
            call('HDEL', DECLARED, workers[at])
        end
    end
    return names
end

local function forget_quotas()
    local names = declared()
    for name, quota in pairs(gates.quotas()) do
        if not names[name] and quota.declared < NOW - SOON_FORGOTTEN then
            proceed()
            gates.forget(name)
        end
    end
end

-- Of gates that nobody passes any more; some of them each time, at random.
local function forget_old_passes()
    for _, member in ipairs(call('ZRANDMEMBER', PASSES, 20)) do
        local gate_and_began = split(member)
        if tonumber(sub(gate_and_began[4], 2)) < NOW - LONG_AGO then
            proceed()
            call('ZREM', PASSES, member)
        end
    end
end

-- An older version that rescued a run has not taken it out of this index.
local function check_runs(gate)
    for _, member in ipairs(call('ZRANGEBYLEX', LIMITED_RUNS, '[' .. gate, gates.beyond(gate), 'LIMIT', 0, CHECKED)) do
        local life = read(id_of(member))
        if not life or life[STATE] ~= IS_RUNNING then
            proceed()
            call('ZREM', LIMITED_RUNS, member)
        end
    end
end

local function look_at(gate)
    if not gates.quota_named(split(gate)[1]) then
        gates.open(gate, gates.AT_ONCE)
        return
    end
    check_runs(gate)
    local count = gates.count(gate)
    if gates.room_of(count) > 0 then
        gates.open(gate, gates.AT_ONCE)
    else
        open_by_the_clock(gate, count)
    end
end

forget_quotas()
forget_old_passes()
local gate, seen = gates.next(quota_before == '' and '' or quota_before .. '\0' .. key_before .. '\0'), 0
local last = gate
while gate and seen < tonumber(limit) do
    proceed()
    look_at(gate)
    last, seen, gate = gate, seen + 1, gates.next(gate)
end
if not gate then
    return answer({})
end
return answer({unpack(split(last), 1, 2)})
