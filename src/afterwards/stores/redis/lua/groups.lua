-- Ways through the index of all tasks, which has a group for each line and state: by sequence within a group, and by
-- merging groups. A look-up of a place in a group halves it until it is found. Writes nothing.

local function span(key, score)
    return call('ZCOUNT', key, '-inf', '(' .. score), call('ZCOUNT', key, score, score)
end

-- How many of the `count` members from rank `start` on come before `bound`. Lua compares texts by the server's locale, so
-- members are made of digits and of letters up to f, which all locales order alike, and a bound ends with a g.
local function before(key, start, count, bound)
    local low, high = 0, count
    while low < high do
        local middle = math.floor((low + high) / 2)
        if call('ZRANGE', key, start + middle, start + middle)[1] < bound then
            low = middle + 1
        else
            high = middle
        end
    end
    return low
end

local function groups()
    local found = {}
    for score in heads(INDEX) do
        local state = score % 8
        found[#found + 1] = {score = score, state = whole(state), line = line((score - state) / 8)}
    end
    return found
end

-- Members are fetched one, two, four … at a time: a page may be made of one from each of many groups, or of one group.
local MOST_FETCHED = 64

local function fetch(group, direction)
    local count = math.min(group.fetches or 1, MOST_FETCHED)
    group.fetches = count * 2
    local from = direction < 0 and math.max(group.rank - count + 1, group.first) or group.rank
    group.fetched = call('ZRANGE', INDEX, from, math.min(from + count - 1, group.last))
    group.before = from - 1
end

local function step(group, direction)
    group.rank = group.rank + direction
    if group.rank < group.first or group.rank > group.last then
        group.member = nil
        return
    end
    if not group.fetched or not group.fetched[group.rank - group.before] then
        fetch(group, direction)
    end
    group.member = group.fetched[group.rank - group.before]
end

-- The members of these groups in the order of their sequences, from `bound` (a member, or '') on, not with it; one at a
-- time.
local function walk(chosen, bound, direction)
    for _, group in ipairs(chosen) do
        local start, count = span(INDEX, group.score)
        group.first, group.last = start, start + count - 1
        if direction < 0 then
            group.rank = bound == '' and start + count or start + before(INDEX, start, count, bound)
        else
            group.rank = bound == '' and start - 1 or start - 1 + before(INDEX, start, count, bound .. 'g')
        end
        step(group, direction)
    end
    return function()
        local best
        for _, group in ipairs(chosen) do
            if group.member and (not best or (group.member < best.member) == (direction > 0)) then
                best = group
            end
        end
        local member = best and best.member
        if best then
            step(best, direction)
        end
        return member
    end
end

-- Up to `limit` ids of these groups in the same order.
local function merged(chosen, limit, bound, direction)
    local ids, next_member = {}, walk(chosen, bound, direction)
    while #ids < limit do
        local member = next_member()
        if not member then
            break
        end
        ids[#ids + 1] = id_of(member)
    end
    return ids
end

-- The member of a task in the index; nil when it is not stored, '' for no task.
local function member_of(id)
    if id == '' then
        return ''
    end
    local life = read(id)
    return life and life[SEQUENCE] .. id
end

-- From where a page goes on: after a task that is stored, or at a bookmark, which is the member that was looked at last,
-- whether it is still there or not. Nil for a task that is gone, '' for the beginning.
local function bound_of(from)
    if #from > ID_WIDTH then
        return from
    end
    return member_of(from)
end
