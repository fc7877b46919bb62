-- The gates of quotas: who stands before them, counts of what runs behind them, and when they open. Stands on shared.lua.
--
-- A quota is one text of its parts, under its name; an empty part is none. What runs behind a gate is in an index of the
-- gate, written by the script that starts the run and left by the one that ends it, whichever that is.

-- `gates` has what other files use: a script may have no more than 200 names of its own.

local gates = {AT_ONCE = '0', BUCKETS = 500}

do

local INSTANT_WIDTH = 19

local quotas = {}

local function quota_of(text)
    local most, rate, period, declared = unpack(split(text))
    return {most = tonumber(most), rate = tonumber(rate), period = tonumber(period), declared = tonumber(declared)}
end

function gates.quota_named(name)
    if quotas[name] == nil then
        local quota = call('HGET', QUOTAS, name)
        quotas[name] = quota and quota_of(quota) or false
    end
    return quotas[name]
end

-- The end of a range that begins with this text, which itself ends with a NUL.
function gates.beyond(prefix)
    return '(' .. sub(prefix, 1, -2) .. '\1'
end

-- Counts of the gates that this script has asked for; each is brought up to date by what the script lets pass.

local counts = {}

local function passes_of(gate, quota)
    local from = sortable(whole(NOW - quota.period - quota.period / gates.BUCKETS - 1))
    return call('ZRANGEBYLEX', PASSES, '[' .. gate .. from, gates.beyond(gate))
end

function gates.pass_of(gate, member)
    local began, ended, runs = unpack(split(sub(member, #gate + 1)))
    return {began = tonumber(sub(began, 2)), ended = tonumber(sub(ended, 2)), runs = tonumber(runs), member = member}
end

function gates.count(gate)
    local count = counts[gate]
    if count then
        return count
    end
    local quota = gates.quota_named(split(gate)[1])
    count = {quota = quota, running = 0, begun = 0}
    counts[gate] = count
    if quota.most then
        count.running = call('ZLEXCOUNT', LIMITED_RUNS, '[' .. gate, gates.beyond(gate))
    end
    if quota.rate then
        for _, member in ipairs(passes_of(gate, quota)) do
            local pass = gates.pass_of(gate, member)
            if pass.ended > NOW - quota.period then
                count.begun = count.begun + pass.runs
                count.first = math.min(count.first or pass.ended, pass.ended)
            end
        end
    end
    return count
end

function gates.is_used_up(count)
    return count.quota.rate ~= nil and count.begun >= count.quota.rate
end

function gates.closed_by(count)
    if count.quota.most and count.running >= count.quota.most then
        return 'limit'
    end
    return gates.is_used_up(count) and 'rate' or nil
end

function gates.room_of(count)
    local room = math.huge
    if count.quota.most then
        room = count.quota.most - count.running
    end
    if count.quota.rate then
        room = math.min(room, count.quota.rate - count.begun)
    end
    return math.max(room, 0)
end

function gates.opens_at(count)
    return whole((count.first or NOW) + count.quota.period)
end

-- Openings: when a gate may let somebody of a queue through. One for each gate and queue, the earliest.

local function add_opening(gate, queue, opens)
    local field, at = queue .. '\0' .. gate, sortable(opens)
    local known = call('HGET', OPENS, field)
    if known and known <= at then
        return
    end
    if known then
        call('ZREM', OPENINGS, queue .. '\0' .. known .. gate)
    end
    call('HSET', OPENS, field, at)
    call('ZADD', OPENINGS, 0, queue .. '\0' .. at .. gate)
    rings = true
end

function gates.end_opening(opening)
    call('ZREM', OPENINGS, opening.member)
    call('HDEL', OPENS, opening.queue .. '\0' .. opening.gate)
end

-- In every queue from which somebody stands before it, but one: a jump from queue to queue.
function gates.open(gate, opens, except)
    local from = '[' .. gate
    while true do
        local standing = call('ZRANGEBYLEX', GATES, from, gates.beyond(gate), 'LIMIT', 0, 1)[1]
        if not standing then
            return
        end
        local queue = split(sub(standing, #gate + 1))[1]
        if queue ~= except then
            add_opening(gate, queue, opens)
        end
        from = '[' .. gate .. queue .. '\1'
    end
end

-- The gates at which somebody stands, after one that is given: a jump from gate to gate.
function gates.next(after)
    local from = after == '' and '-' or gates.beyond(after)
    local standing = call('ZRANGEBYLEX', GATES, from, '+', 'LIMIT', 0, 1)[1]
    if not standing then
        return nil
    end
    local quota, key = unpack(split(standing))
    return quota .. '\0' .. key .. '\0'
end

function gates.open_quota(name)
    local first = call('ZRANGEBYLEX', GATES, '[' .. name .. '\0', gates.beyond(name .. '\0'), 'LIMIT', 0, 1)[1]
    local gate = first and name .. '\0' .. split(first)[2] .. '\0'
    while gate and split(gate)[1] == name do
        gates.open(gate, gates.AT_ONCE)
        gate = gates.next(gate)
    end
end

-- The first openings of each queue that is open to the worker, past those of functions that it does not know.
function gates.first_openings(worker, unknown, limit)
    local openings, from = {}, '-'
    while true do
        local head = call('ZRANGEBYLEX', OPENINGS, from, '+', 'LIMIT', 0, 1)[1]
        if not head then
            return openings
        end
        local queue = split(head)[1]
        from = '[' .. queue .. '\1'
        if may_claim(worker, queue) then
            local taken, at = 0, 0
            repeat
                local members = call('ZRANGEBYLEX', OPENINGS, '[' .. queue .. '\0', '(' .. queue .. '\1', 'LIMIT', at, limit)
                for _, member in ipairs(members) do
                    local rest = sub(member, #queue + 2)
                    local gate = sub(rest, INSTANT_WIDTH + 1)
                    local of_function = string.match(split(gate)[1], '^function:(.*)$')
                    if taken < limit and not (of_function and unknown[of_function]) then
                        taken = taken + 1
                        openings[#openings + 1] =
                            {queue = queue, opens = sub(rest, 1, INSTANT_WIDTH), gate = gate, member = member}
                    end
                end
                at = at + limit
            until taken >= limit or #members < limit
        end
    end
end

-- Runs that are counted.

local function both_gates(id, life)
    local known = line(life[LINE])
    return gate_of(id, life, known, 'f'), gate_of(id, life, known, 'q')
end

function gates.count_run(id, life)
    life[LIMITED] = '1'
    for _, gate in ipairs({both_gates(id, life)}) do
        call('ZADD', LIMITED_RUNS, 0, gate .. id)
    end
end

-- Whatever ends a run: its gates may let the next one through.
function gates.free_place(id, life)
    for _, gate in ipairs({both_gates(id, life)}) do
        call('ZREM', LIMITED_RUNS, gate .. id)
        local quota = gates.quota_named(split(gate)[1])
        if quota and quota.most then
            gates.open(gate, gates.AT_ONCE)
        end
    end
end

local function is_limited(known)
    return gates.quota_named('function:' .. known.name) or gates.quota_named('queue:' .. known.queue)
end

-- What a quota counts is claimed by the claim alone, and never by the write that brings or frees it.
function gates.may_claim_at_once(worker, known)
    return may_claim(worker, known.queue) and not is_limited(known)
end

-- What workers declare.

function gates.forget(name)
    call('HDEL', QUOTAS, name)
    quotas[name] = false
    gates.open_quota(name)
end

function gates.quotas()
    local known, fields = {}, call('HGETALL', QUOTAS)
    for at = 1, #fields, 2 do
        known[fields[at]] = quota_of(fields[at + 1])
    end
    return known
end

local function limit_running()
    for _, member in ipairs(call('ZRANGE', RUNNING, 0, -1)) do
        local id = id_of(member)
        local life = read(id)
        if life[LIMITED] ~= '1' and is_limited(line(life[LINE])) then
            gates.count_run(id, life)
            write(id, life)
        end
    end
end

-- The quotas that stand in ARGV from `at` to `last`. They hold also for what waits or runs already.
function gates.declare(worker, at, last)
    local names, is_news = {}, false
    for from = at, last, 4 do
        local name, most, rate, period = unpack(ARGV, from, from + 3)
        local known = gates.quota_named(name)
        local text = concat({most, rate, period, NOW_TEXT}, '\0')
        local quota = quota_of(text)
        quotas[name] = quota
        call('HSET', QUOTAS, name, text)
        if not known or known.most ~= quota.most or known.rate ~= quota.rate or known.period ~= quota.period then
            is_news = true
            gates.open_quota(name)
        end
        names[#names + 1] = name
    end
    if #names > 0 then
        call('HSET', DECLARED, worker, concat(names, '\0'))
    else
        call('HDEL', DECLARED, worker)
    end
    if is_news then
        limit_running()
    end
end

end
