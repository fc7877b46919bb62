-- Stores the calls that stand in ARGV from `at` on. Used where calls come by themselves and where outcomes bring them.
--
-- Each is id, name, queue, priority, retry, arguments, due, delay, after, crashes allowed, timeout, deadline (after
-- a plus: how far from now), key, trace, what it keeps, limit key, needs, link, claimer. A key is a '1' for one that
-- replaces, for how long it is held after the end, a NUL, and its text; or ''. Needs and link are '' for what is in no
-- chain. Ids that are stored already change nothing. The answer has a letter for each: '1' for one that this write
-- claimed; and the place of each twin, with the task whose twin it is.

local CALL_WIDTH = 19

local function read_key(key)
    return string.match(key, '^(.)(%d*)%z(.*)$')
end

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

-- A line closes over the twins in it.
local closed_over = {}

local function before(id, after)
    while closed_over[after] do
        after = closed_over[after]
    end
    return after == id and '' or after
end

local function due_of(due, delay)
    if due == '' then
        return delay == '' and NOW_TEXT or later(delay)
    end
    return due
end

local function deadline_of(deadline)
    return sub(deadline, 1, 1) == '+' and later(sub(deadline, 2)) or deadline
end

local function store_call(at, incoming)
    local id, name, queue, priority, retry, arguments, due, delay, after, allowed, timeout, deadline, key, trace, keeps,
        limit, needs, link, claimer = unpack(ARGV, at, at + CALL_WIDTH - 1)
    begin()
    due, deadline, after = due_of(due, delay), deadline_of(deadline), before(id, after)
    local held = is_held(id, after, incoming)
    local sequence = format('%012x', call('HINCRBY', META, 'sequence', 1))
    local life = {
        IS_WAITING, held and 'after' or '', line_of(queue, name, priority), sequence, due, NOW_TEXT, '0', '0', '0',
        allowed, '0', '0', '0', '', '', '', TOKEN, '', after, '0', '', '',
    }
    set_text(id, life, 'g', limit)
    call('HSET', CALLS, id, concat({name, queue, priority, retry, arguments, timeout, deadline}, '\0'))
    set_text(id, life, 't', trace)
    if key ~= '' then
        local _, unique_for, text = read_key(key)
        set_text(id, life, 'k', text)
        set_text(id, life, 'u', unique_for)
        hold(field_of(name, text), id)
    end
    set_text(id, life, 'o', keeps)
    set_text(id, life, 'n', needs)
    set_text(id, life, 'c', link)
    chains.join(id, life)
    local is_claimed = claimer ~= '' and not held and is_due(life)
        and gates.may_claim_at_once(claimer, {queue = queue, name = name})
    if is_claimed then
        run_for(id, life, claimer)
    else
        mark(id, life, IS_WAITING)
        enter(id, life)
    end
    write(id, life)
    return is_claimed
end

-- A waiting task takes on another call. Its id, its run, its hold and its place in its line stay; but it passes its gates
-- anew, which may be others.
local function replace(id, life, at)
    local _, name, queue, priority, retry, arguments, due, delay, _, allowed, timeout, deadline, _, trace, keeps,
        limit =
        unpack(ARGV, at, at + CALL_WIDTH - 1)
    leave(id, life)
    call('HSET', CALLS, id, concat({name, queue, priority, retry, arguments, timeout, deadline_of(deadline)}, '\0'))
    for letter in string.gmatch('erplfa', '.') do
        set_text(id, life, letter, '')
    end
    set_text(id, life, 't', trace)
    set_text(id, life, 'o', keeps)
    set_text(id, life, 'g', limit)
    if life[HELD] == 'limit' or life[HELD] == 'rate' then
        life[HELD], life[HELD_BY] = '', ''
    end
    life[LINE], life[DUE], life[ALLOWED] = line_of(queue, name, priority), due_of(due, delay), allowed
    life[ATTEMPT], life[CRASHES], life[SUSPECT], life[STARTED] = '0', '0', '0', ''
    mark(id, life, IS_WAITING)
    enter(id, life)
    write(id, life)
end

-- The task whose twin this call is; nil if it is to be stored.
local function twin_of(at)
    local id, name, key = ARGV[at], ARGV[at + 1], ARGV[at + 12]
    if key == '' then
        return nil
    end
    local known = call('HGET', TWINS, id)
    if known then
        return known
    end
    local replaces, _, text = read_key(key)
    local holder, life = holder_of(field_of(name, text))
    local state = life and life[STATE]
    if not holder or replaces == '1' and state == IS_RUNNING then
        return nil
    end
    begin()
    if replaces == '1' and state == IS_WAITING then
        replace(holder, life, at)
    end
    add_twin(id, holder)
    return holder
end

-- Of a call whose answer was lost: whether the write that stored it was this one, and claimed it.
local function was_claimed(id, claimer)
    local life = IS_AGAIN and claimer ~= '' and read(id)
    return life and life[STATE] == IS_RUNNING and life[TOUCHED] == TOKEN and life[WORKER] == claimer
end

local function store_calls(at, count)
    local incoming, handed_out, claimed, twins = {}, {}, {}, {}
    for number = 0, count - 1 do
        incoming[ARGV[at + number * CALL_WIDTH]] = true
    end
    for number = 1, count do
        local id, claimer = ARGV[at], ARGV[at + CALL_WIDTH - 1]
        local is_claimed
        if call('HEXISTS', LIVES, id) == 1 then
            is_claimed = not handed_out[id] and was_claimed(id, claimer)
        else
            local holder = twin_of(at)
            if holder then
                twins[#twins + 1] = {number, holder}
                closed_over[id] = before(id, ARGV[at + 8])
            else
                is_claimed = store_call(at, incoming)
            end
        end
        handed_out[id] = true
        claimed[number] = is_claimed and '1' or '0'
        at = at + CALL_WIDTH
    end
    return concat(claimed), twins
end
