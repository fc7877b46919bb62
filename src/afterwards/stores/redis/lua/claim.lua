-- with: shared gates steps passing
-- Claims the best of what is due for a worker: rank = due less a minute for each level of priority, then sequence.
--
-- Within a line the order by rank is the order by due, so the best of all are at the heads of the lines, which are
-- merged. A line whose head is not due, whose queue is not this worker's, or whose name it does not know costs one
-- look: tasks due tomorrow, held ones and the backlogs of others are never read. Of suspects, one at most. Who does not
-- pass its gates is held there; then others are looked at, a bounded number.
--
-- ARGV: worker, limit, whether it takes a suspect, the number of its tokens whose answers were lost, those tokens, the
-- names it does not know. Answers with the tasks: first with those that the lost answers claimed, if there are any.

local worker, limit, takes_suspect = ARGV[FIRST], tonumber(ARGV[FIRST + 1]), ARGV[FIRST + 2] == '1'
local lost_count = tonumber(ARGV[FIRST + 3])
local CHUNK, MOST_HELD = 16, 500
local SEQUENCE_AT = 20

local unknown = {}
for at = FIRST + 4 + lost_count, #ARGV do
    unknown[ARGV[at]] = true
end

local function due_in(member)
    if sub(member, 1, 1) == '0' then
        return tonumber(sub(member, 2, 19)) - BEFORE_1970
    end
    return tonumber(sub(member, 2, 19))
end

-- The line's next member that is due, with its rank; nil when there is none. Those before it have left the index.
local function step(one)
    if one.at > #one.members then
        one.members = call('ZRANGEBYSCORE', one.key, one.score, one.score, 'LIMIT', 0, one.chunk)
        one.at = 1
    end
    local member = one.members[one.at]
    one.at = one.at + 1
    local due = member and due_in(member)
    if not due or due > NOW then
        one.member = nil
        return
    end
    one.member, one.rank, one.tie = member, due - one.priority * MINUTE, sub(member, SEQUENCE_AT)
end

local function begin_line(key, score, head, chunk)
    if due_in(head) > NOW then
        return nil
    end
    local known = line(score)
    if unknown[known.name] or not may_claim(worker, known.queue) then
        return nil
    end
    local one = {key = key, score = score, chunk = chunk, priority = known.priority, members = {head}, at = 1}
    step(one)
    return one
end

local function comes_before(one, other)
    return one.rank < other.rank or (one.rank == other.rank and one.tie < other.tie)
end

local function best_suspect()
    local best
    for score, head in heads(SUSPECTS) do
        local one = begin_line(SUSPECTS, score, head, 1)
        best = one and (not best or comes_before(one, best)) and one or best
    end
    return best
end

-- In the order of their heads. No more of them than are wanted: the best come from the lines with the best heads.
local function open_lines()
    local lines = {}
    for score, head in heads(WAITING) do
        lines[#lines + 1] = begin_line(WAITING, score, head, math.min(limit, CHUNK))
    end
    lines[#lines + 1] = takes_suspect and best_suspect() or nil
    table.sort(lines, comes_before)
    for at = #lines, limit + 1, -1 do
        lines[at] = nil
    end
    return lines
end

local function put_back(lines, one)
    local at = 1
    while lines[at] and comes_before(lines[at], one) do
        at = at + 1
    end
    table.insert(lines, at, one)
end

-- Whether it runs for the worker now; else it is held at a gate.
local function pass(id)
    proceed()
    local life = read(id)
    local passed, closed, why = gates_before(id, life)
    if closed then
        hold_at(id, life, closed, why)
        return false
    end
    take(id, life, worker, passed)
    note_passes(passed)
    return true
end

local function claim()
    open_due_gates(worker, unknown, limit)
    local ids, held, lines = {}, 0, open_lines()
    while #ids < limit and held < MOST_HELD and lines[1] do
        local one = table.remove(lines, 1)
        local id = id_of(one.member)
        if pass(id) then
            ids[#ids + 1] = id
        else
            held = held + 1
        end
        if one.key == WAITING then
            step(one)
        end
        if one.key == WAITING and one.member then
            put_back(lines, one)
        end
    end
    return ids
end

local function claimed_before()
    local ids, lost = {}, {[TOKEN] = IS_AGAIN}
    for at = FIRST + 4, FIRST + 3 + lost_count do
        lost[ARGV[at]] = true
    end
    for _, member in ipairs(of_worker(RUNNING, worker, -1)) do
        local id = id_of(member)
        if lost[read(id)[TOUCHED]] then
            ids[#ids + 1] = id
        end
    end
    return ids
end

local ids = (IS_AGAIN or lost_count > 0) and claimed_before() or {}
if #ids == 0 and limit > 0 and card_of(worker) then
    ids = claim()
end
return answer(all_told(ids))
