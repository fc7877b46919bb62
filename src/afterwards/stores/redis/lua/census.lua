-- with: shared gates steps groups
-- Counts of everything at one moment, from the sizes of the groups: no task is read. Writes nothing.
--
-- Answers with the store's now; queue, state and count of each group; how many are held after others and as unknown;
-- how many are due and wait for their turn alone; the paused queues; queues and since when their first task is due that
-- nothing holds; how many stand before gates, for each reason.

local counts = {}
for _, group in ipairs(groups()) do
    local _, count = span(INDEX, group.score)
    counts[#counts + 1] = {group.line.queue, group.state, count}
end

local due, end_of_now, oldest = 0, sortable(NOW_TEXT) .. 'g', {}
for _, key in ipairs({WAITING, SUSPECTS}) do
    for score, first in heads(key) do
        local queue = line(score).queue
        if not is_paused(queue) then
            local life = read(id_of(first))
            if is_due(life) and not (oldest[queue] and tonumber(oldest[queue]) <= tonumber(life[DUE])) then
                oldest[queue] = life[DUE]
            end
            local start, count = span(key, score)
            due = due + before(key, start, count, end_of_now)
        end
    end
end

local since = {}
for queue, instant in pairs(oldest) do
    since[#since + 1] = queue
    since[#since + 1] = instant
end

local standing = {limit = 0, rate = 0}
local fields = call('HGETALL', STANDING)
for at = 1, #fields, 2 do
    local why, queue = unpack(split(fields[at]))
    standing[why] = standing[why] + fields[at + 1]
    due = due + (is_paused(queue) and 0 or fields[at + 1])
end
return answer({
    NOW_TEXT, counts, call('ZCARD', FOLLOWERS), call('ZCARD', UNKNOWN), due, call('SMEMBERS', PAUSED), since,
    standing.limit, standing.rate,
})
