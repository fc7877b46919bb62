-- Who passes its gates, who is held there, and who is let through when they open. Stands on gates.lua and steps.lua.

local MOST_OPENINGS, NO_QUOTA_AT_ONCE = 100, 1000

-- The gates of a task that have a quota; and of the first of them that is closed, whose it is and why.
local function gates_before(id, life)
    local known, before, closed, why = line(life[LINE]), {}, nil, nil
    for _, by in ipairs({'f', 'q'}) do
        if gates.quota_named(by == 'f' and 'function:' .. known.name or 'queue:' .. known.queue) then
            local gate = gate_of(id, life, known, by)
            local reason = gates.closed_by(gates.count(gate))
            before[#before + 1] = gate
            if reason and not closed then
                closed, why = by, reason
            end
        end
    end
    return before, closed, why
end

-- Under a rate a gate opens when the next turn comes back.
local function open_by_the_clock(gate, count)
    if count.quota.rate then
        gates.open(gate, gates.opens_at(count))
    end
end

local function hold_at(id, life, by, why)
    leave(id, life)
    life[HELD], life[HELD_BY] = why, by
    enter(id, life)
    write(id, life)
    local gate = gate_of(id, life, line(life[LINE]), by)
    open_by_the_clock(gate, gates.count(gate))
end

-- Runs that begin soon after the last ones that passed a gate are counted with those.
local function note_pass(gate, count)
    local period = count.quota.period
    call('ZREMRANGEBYLEX', PASSES, '[' .. gate, '(' .. gate .. sortable(whole(NOW - 2 * period)))
    local last = call('ZREVRANGEBYLEX', PASSES, gates.beyond(gate), '[' .. gate, 'LIMIT', 0, 1)[1]
    local pass = last and gates.pass_of(gate, last)
    if pass and pass.began >= NOW - period / gates.BUCKETS then
        call('ZREM', PASSES, pass.member)
    else
        pass = {began = NOW, ended = NOW, runs = 0}
    end
    local began, ended = sortable(whole(pass.began)), sortable(whole(math.max(pass.ended, NOW)))
    call('ZADD', PASSES, 0, gate .. concat({began, ended, pass.runs + 1}, '\0'))
    count.first = count.first or NOW
end

local function note_passes(passed)
    for _, gate in ipairs(passed) do
        local count = gates.count(gate)
        count.running, count.begun = count.running + 1, count.begun + 1
        if count.quota.rate then
            note_pass(gate, count)
            open_by_the_clock(gate, count)
        end
    end
end

-- The best of those who stand before a gate, in one queue, may be claimed again; how many.
local function let_through(gate, queue, unknown, room)
    local prefix, at, through = gate .. queue .. '\0', 0, 0
    repeat
        local members = call('ZRANGEBYLEX', GATES, '[' .. prefix, gates.beyond(prefix), 'LIMIT', at, math.min(room, 100))
        for _, member in ipairs(members) do
            local id = id_of(member)
            local life = read(id)
            if not life or (life[HELD] ~= 'limit' and life[HELD] ~= 'rate') then
                call('ZREM', GATES, member)  -- an older version ended it, which knows of no gates
            elseif through < room and not unknown[line(life[LINE]).name] then
                leave(id, life)
                life[HELD], life[HELD_BY] = '', ''
                enter(id, life)
                write(id, life)
                through = through + 1
            else
                at = at + 1
            end
        end
    until through >= room or #members == 0
    return through
end

-- Lets as many through as there is room for: of this queue, and if it has not so many, soon of others. Where as many run as
-- may, the first to end opens the gate again.
local function open_one(opening, unknown, most)
    local gate, queue = opening.gate, opening.queue
    gates.end_opening(opening)
    local has_quota = gates.quota_named(split(gate)[1])
    local count = has_quota and gates.count(gate)
    local room = count and gates.room_of(count) or NO_QUOTA_AT_ONCE
    local wanted = math.min(room, has_quota and most or NO_QUOTA_AT_ONCE)
    local through = wanted > 0 and let_through(gate, queue, unknown, wanted) or 0
    if through < wanted then
        gates.open(gate, gates.AT_ONCE, queue)
    elseif wanted < room or not has_quota then
        gates.open(gate, gates.AT_ONCE)
    end
    if count then
        open_by_the_clock(gate, count)
    end
end

local function open_due_gates(worker, unknown, most)
    local now = sortable(NOW_TEXT)
    for _, opening in ipairs(gates.first_openings(worker, unknown, MOST_OPENINGS)) do
        if opening.opens <= now then
            proceed()
            open_one(opening, unknown, most)
        end
    end
end
