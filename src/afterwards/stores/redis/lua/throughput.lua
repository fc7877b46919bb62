-- with: shared gates steps
-- How many tasks of each queue were done or failed lately, by the index of the ended, of which a bounded number is looked
-- at. If there are as many as that, more may have ended in the same moment as the earliest of them, so that it is
-- counted what came after that. Writes nothing.
--
-- ARGV: how long ago, how many to look at. Answers with the store's now, since when it counts, and how many of each
-- line, by its queue.

local after, limit = earlier(ARGV[FIRST]), tonumber(ARGV[FIRST + 1])
local ended = call('ZREVRANGEBYSCORE', ENDED, '+inf', '(' .. after, 'WITHSCORES', 'LIMIT', 0, limit)
local since = #ended < 2 * limit and tonumber(after) or tonumber(ended[#ended])

-- The state and the line of a life, its first part and its third: of thousands the rest is not taken apart.
local BEGINNING = '^(%d)%z[^%z]*%z(%d+)%z'

local counts, found = {}, {}
for at = 1, #ended, 2 do
    local life = tonumber(ended[at + 1]) > since and call('HGET', LIVES, ended[at]) or ''
    local state, number = string.match(life, BEGINNING)
    if state == IS_DONE or state == IS_FAILED then
        counts[number] = (counts[number] or 0) + 1
    end
end
for number, count in pairs(counts) do
    found[#found + 1] = {line(number).queue, count}
end
return answer({NOW_TEXT, whole(since), found})
