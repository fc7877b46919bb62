-- with: shared gates steps followers
-- Stores waiting tasks of another store, each as it is, in their order; ids that are stored already change nothing.
--
-- ARGV: for each task id, name, queue, priority, retry, arguments, hold, due, added, attempt, run, crashes, crashes
-- allowed, suspect, whether its turn is over, started, after, error, result, progress, key, timeout, deadline, for how
-- long its key is held, trace, its other names in one text, what it keeps, logs, limit key, needs, link, tries.
-- Answers with those that were new. A hold after a former is looked at once more, since its turn may have ended meanwhile. A step of
-- a chain is held after the last of its needs that is stored here or comes too; what has ended of those is heard then.

local WIDTH = 32

local received, incoming, over = {}, {}, {}
for at = FIRST, #ARGV, WIDTH do
    incoming[ARGV[at]] = true
end

local function last_need(needs)
    for at = #needs - ID_WIDTH + 1, followers.FIRST_NEED, -ID_WIDTH do
        local id = sub(needs, at, at + ID_WIDTH - 1)
        if incoming[id] or followers.state_of(id) then
            return id
        end
    end
    return ''
end

-- What holds a task here, and after which.
local function place_here(held, after, needs)
    if needs ~= '' then
        after = last_need(needs)
        if held ~= 'unknown' then
            held = after == '' and '' or 'after'
        end
    elseif held == 'after' then
        local former = read(after)
        if former and former[FREED] == '1' or not former and not incoming[after] then
            held = ''
        end
    end
    return held, after
end

local function receive(at)
    local id, name, queue, priority, retry, arguments, held, due, added, attempt, run, crashes, allowed, suspect, freed,
        started, after, error, result, progress, key, timeout, deadline, unique_for, trace, twins, keeps, logs, limit,
        needs, link, noted = unpack(ARGV, at, at + WIDTH - 1)
    begin()
    held, after = place_here(held, after, needs)
    if needs ~= '' and held == 'after' and followers.has_ended(after) then
        over[#over + 1] = after
    end
    local life = {
        IS_WAITING, held, line_of(queue, name, priority), format('%012x', call('HINCRBY', META, 'sequence', 1)), due,
        added, attempt, run, crashes, allowed, suspect, freed, '0', '', started, '', TOKEN, '', after, '0', '', '',
    }
    call('HSET', CALLS, id, concat({name, queue, priority, retry, arguments, timeout, deadline}, '\0'))
    set_error(id, life, error)
    set_text(id, life, 'r', result)
    set_text(id, life, 'p', progress)
    set_text(id, life, 'k', key)
    set_text(id, life, 'u', unique_for)
    set_text(id, life, 't', trace)
    if key ~= '' and not holder_of(field_of(name, key)) then
        hold(field_of(name, key), id)
    end
    for twin in string.gmatch(twins, string.rep('.', ID_WIDTH)) do
        add_twin(twin, id)
    end
    set_text(id, life, 'o', keeps)
    set_text(id, life, 'l', logs)
    set_text(id, life, 'g', limit)
    set_text(id, life, 'n', needs)
    set_text(id, life, 'c', link)
    set_text(id, life, 'a', noted)
    chains.join(id, life)
    mark(id, life, IS_WAITING)
    enter(id, life)
    write(id, life)
end

for at = FIRST, #ARGV, WIDTH do
    local id = ARGV[at]
    local stored = read(id)
    if not stored then
        receive(at)
        received[#received + 1] = id
    elseif IS_AGAIN and stored[TOUCHED] == TOKEN then
        received[#received + 1] = id  -- the first time, whose answer was lost
    end
end
followers.free(over, '')
return answer(received)
