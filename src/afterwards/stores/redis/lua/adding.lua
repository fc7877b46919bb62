-- Stores the calls that stand in ARGV from `at` on. Used where calls come by themselves and where outcomes bring them.
--
-- Each is id, name, queue, priority, retry, arguments, due, delay, after, crashes allowed, timeout, deadline (after
-- a plus: how far from now), claimer. Ids that are stored already change nothing. The answer has a letter for each:
-- '1' for one that this write claimed.

local CALL_WIDTH = 13

local function is_held(id, after, incoming)
    if after == '' or after == id then
        return false
    end
    local former = read(after)
    if former then
        return former[FREED] == '0'
    end
    return incoming[after] == true
end

local function store_call(at, incoming)
    local id, name, queue, priority, retry, arguments, due, delay, after, allowed, timeout, deadline, claimer =
        unpack(ARGV, at, at + CALL_WIDTH - 1)
    begin()
    if due == '' then
        due = delay == '' and NOW_TEXT or later(delay)
    end
    if sub(deadline, 1, 1) == '+' then
        deadline = later(sub(deadline, 2))
    end
    local held = is_held(id, after, incoming)
    local sequence = format('%012x', call('HINCRBY', META, 'sequence', 1))
    local life = {
        IS_WAITING, held and 'after' or '', line_of(queue, name, priority), sequence, due, NOW_TEXT, '0', '0', '0',
        allowed, '0', '0', '0', '', '', '', TOKEN, '', after == id and '' or after, '0',
    }
    call('HSET', CALLS, id, concat({name, queue, priority, retry, arguments, timeout, deadline}, '\0'))
    local is_claimed = claimer ~= '' and not held and is_due(life) and may_claim(claimer, queue)
    if is_claimed then
        run_for(id, life, claimer)
    else
        mark(id, life, IS_WAITING)
        enter(id, life)
    end
    write(id, life)
    return is_claimed
end

-- Of a call whose answer was lost: whether the write that stored it was this one, and claimed it.
local function was_claimed(id, claimer)
    local life = IS_AGAIN and claimer ~= '' and read(id)
    return life and life[STATE] == IS_RUNNING and life[TOUCHED] == TOKEN and life[WORKER] == claimer
end

local function store_calls(at, count)
    local incoming, handed_out, claimed = {}, {}, {}
    for number = 0, count - 1 do
        incoming[ARGV[at + number * CALL_WIDTH]] = true
    end
    for number = 1, count do
        local id, claimer = ARGV[at], ARGV[at + CALL_WIDTH - 1]
        local is_claimed
        if call('HEXISTS', LIVES, id) == 1 then
            is_claimed = not handed_out[id] and was_claimed(id, claimer)
        else
            is_claimed = store_call(at, incoming)
        end
        handed_out[id] = true
        claimed[number] = is_claimed and '1' or '0'
        at = at + CALL_WIDTH
    end
    return concat(claimed)
end
