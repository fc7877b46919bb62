-- What every script begins with: the keys, the clock, and how a task's life is read, written and moved.
--
-- A script is one atomic step. It trusts nothing but the store: every write about a run is fenced by the life as it
-- stands here. Two hashes hold a task, `calls` what was added, which seldom changes, `lives` what becomes of it. All other
-- keys are indexes: sorted sets whose members of one score are read in the order of their bytes, like an index in SQL,
-- so that nothing is ever scanned past. Instants are microseconds since 1970, as decimal text.

local META, CALLS, LIVES, TEXTS, INDEX, WAITING, SUSPECTS, FOLLOWERS, UNKNOWN, RUNNING, STOPPING, ENDED, WORKERS, LEASES,
    PAUSED, LINES, SCHEDULES, HOLDERS, TWINS, NAMES, KEPT, QUOTAS, DECLARED, LIMITED_RUNS, GATES, STANDING, OPENINGS,
    OPENS, PASSES, TALLIES, CHAINS, BROKEN, SPARED = unpack(KEYS)
local CHANNEL, CALLER, OFFSET, TOKEN, IS_AGAIN = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5] == '1'
local MOST_ENDED, MOST_BYTES, FIRST = tonumber(ARGV[6]), tonumber(ARGV[7]), 8

local call, concat, find, sub, format = redis.call, table.concat, string.find, string.sub, string.format

-- The parts of a life, in their order. What a newer version appends stays where it is.
local STATE, HELD, LINE, SEQUENCE, DUE, ADDED, ATTEMPT, RUN, CRASHES, ALLOWED, SUSPECT, FREED, STOP, WORKER, STARTED,
    ENDED_AT, TOUCHED, HAS, AFTER, SIZE, LIMITED, HELD_BY =
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22
local IS_WAITING, IS_RUNNING, IS_DONE, IS_FAILED, IS_CANCELLED = '1', '2', '3', '4', '5'
local SEQUENCE_WIDTH, ID_WIDTH = 12, 32
local LAST_INSTANT, BEFORE_1970 = '253402300799999999', 62135596800000000
local MINUTE = 60000000  -- how much earlier a level of priority ranks
local OVERHEAD = 500  -- bytes that an ended task costs beside its texts, about

local rings, grown, has_begun = false, 0, false

local function whole(number)
    return format('%.0f', number)
end

local function clock()
    local time = call('TIME')
    return time[1] * 1000000 + time[2] + OFFSET
end

local NOW = clock()
local NOW_TEXT = whole(NOW)

local function later(delay)
    local at = NOW + delay
    return at >= tonumber(LAST_INSTANT) and LAST_INSTANT or whole(at)
end

local function earlier(duration)
    return whole(math.max(NOW - duration, 0))
end

-- An instant as text of one width, whose order of bytes is that of time.
local function sortable(instant)
    if sub(instant, 1, 1) == '-' then
        return '0' .. format('%018.0f', BEFORE_1970 + instant)
    end
    return '1' .. string.rep('0', 18 - #instant) .. instant
end

local function split(text)
    local parts, count, from = {}, 0, 1
    local at = find(text, '\0', from, true)
    while at do
        count = count + 1
        parts[count] = sub(text, from, at - 1)
        from = at + 1
        at = find(text, '\0', from, true)
    end
    parts[count + 1] = sub(text, from)
    return parts
end

-- A server may lose its data while connections to it stay. Whoever reads this error has the store begun anew.
local function must_exist()
    if call('HEXISTS', META, 'id') == 0 then
        error('NOSTORE ' .. META .. ' names no store')
    end
end

-- Called before the first write of what is new to the store. A server refuses a script at its first write or never: one
-- that is out of memory refuses this, which grows, and with it the whole script.
local function begin()
    if not has_begun then
        has_begun = true
        must_exist()
        call('HSET', META, 'touched', NOW_TEXT)
    end
end

-- The same for what becomes of tasks that are there. It goes on in a server that is out of memory, or nothing would ever
-- end there: a write that grows nothing comes first.
local function proceed()
    if not has_begun then
        has_begun = true
        call('HDEL', META, 'full')
    end
end

local function read(id)
    local life = call('HGET', LIVES, id)
    if not life then
        return life
    end
    local parts = split(life)
    parts[LIMITED], parts[HELD_BY] = parts[LIMITED] or '', parts[HELD_BY] or ''  -- an older version wrote it
    return parts
end

local function write(id, life)
    call('HSET', LIVES, id, concat(life, '\0'))
end

-- Where a task stands in the index that people look things up by: one score for each line and state.
local function mark(id, life, state)
    life[STATE] = state
    call('ZADD', INDEX, life[LINE] * 8 + state, life[SEQUENCE] .. id)
end

local function id_of(member)
    return sub(member, -ID_WIDTH)
end

-- Lines: a queue, a function's name and a priority, numbered in the order in which they were first seen.

local numbers, known_lines = {}, {}

local function line_of(queue, name, priority)
    local text = queue .. '\0' .. name .. '\0' .. priority
    local number = numbers[text]
    if not number then
        number = call('HGET', LINES, '>' .. text)
        if not number then
            number = whole(call('HINCRBY', META, 'lines', 1))
            call('HSET', LINES, '>' .. text, number, '<' .. number, text)
        end
        numbers[text] = number
    end
    return number
end

local function line(number)
    number = whole(number)
    local known = known_lines[number]
    if not known then
        local queue, name, priority = unpack(split(call('HGET', LINES, '<' .. number)))
        known = {queue = queue, name = name, priority = tonumber(priority)}
        known_lines[number] = known
    end
    return known
end

-- A gate is a quota and a key: those of a task's function ('f') and of its queue ('q'). As text it begins the members of
-- the indexes about it, each part ended by a NUL, so that no gate begins another.

local function limit_key(id, life)
    return find(life[HAS], 'g', 1, true) and call('HGET', TEXTS, id .. 'g') or ''
end

local function gate_of(id, life, known, by)
    if by == 'f' then
        return 'function:' .. known.name .. '\0' .. limit_key(id, life) .. '\0'
    end
    return 'queue:' .. known.queue .. '\0\0'
end

-- The index that holds a waiting task, the score and the member: one for each reason to wait.
local function place(id, life)
    local held, of_its_own = life[HELD], life[SEQUENCE] .. id
    if held == 'after' then
        return FOLLOWERS, 0, life[AFTER] .. of_its_own
    elseif held == 'unknown' then
        return UNKNOWN, life[LINE], of_its_own
    elseif held == 'limit' or held == 'rate' then
        local known = line(life[LINE])
        local rank = sortable(whole(life[DUE] - known.priority * MINUTE))
        return GATES, 0, gate_of(id, life, known, life[HELD_BY]) .. known.queue .. '\0' .. rank .. of_its_own
    end
    return life[SUSPECT] == '1' and SUSPECTS or WAITING, life[LINE], sortable(life[DUE]) .. of_its_own
end

-- How many stand before gates, for each reason and queue: for people, who need not wait until all were counted.
local function count_standing(life, step)
    local field = life[HELD] .. '\0' .. line(life[LINE]).queue
    if call('HINCRBY', STANDING, field, step) <= 0 then
        call('HDEL', STANDING, field)
    end
end

local function enter(id, life)
    local key, score, member = place(id, life)
    call('ZADD', key, score, member)
    if key == GATES then
        count_standing(life, 1)
    end
    rings = rings or life[HELD] == ''
end

local function leave(id, life)
    local key, _, member = place(id, life)
    if call('ZREM', key, member) == 1 and key == GATES then
        count_standing(life, -1)
    end
end

-- The scores that have a member, in their order, each with its first member: a jump for each, not a scan.
local function heads(key)
    local score = '-inf'
    return function()
        local head = call('ZRANGEBYSCORE', key, '(' .. score, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
        if not head[1] then
            return nil
        end
        score = head[2]
        return tonumber(score), head[1]
    end
end

-- Who may claim what, in one place: the queue is not paused, and served by a worker that has signed on and stays.

local cards, paused = {}, nil

local function card_of(worker)
    if cards[worker] == nil then
        local card = call('HGET', WORKERS, worker)
        local parts = card and split(card)
        if parts and parts[5] == '0' then
            local queues = {}
            for at = 7, #parts do
                queues[parts[at]] = true
            end
            cards[worker] = {all = parts[6] == '1', queues = queues}
        else
            cards[worker] = false
        end
    end
    return cards[worker]
end

local function is_paused(queue)
    if not paused then
        paused = {}
        for _, one in ipairs(call('SMEMBERS', PAUSED)) do
            paused[one] = true
        end
    end
    return paused[queue]
end

local function may_claim(worker, queue)
    local card = card_of(worker)
    return card and (card.all or card.queues[queue]) and not is_paused(queue)
end

local function is_due(life)
    return tonumber(life[DUE]) <= NOW
end
