-- with: shared gates steps
-- Deletes tasks that ended longer ago, the oldest first, a bounded number; not those of chains that go on. Only ended
-- tasks are in its index. Nothing in it is refused when memory is short, since it makes room. Keys that were held for
-- longer than their tasks were kept go when that is over.
--
-- ARGV: how long ago, limit. Answers with how many it deleted, and how many it looked at.

local limit = tonumber(ARGV[FIRST + 1])
local before = earlier(ARGV[FIRST])
local ids = limit > 0 and call('ZRANGEBYSCORE', ENDED, '-inf', '(' .. before, 'LIMIT', 0, limit) or {}
local deleted = 0
for _, id in ipairs(ids) do
    deleted = deleted + (retire(id) and 1 or 0)
end
for _, field in ipairs(limit > 0 and call('ZRANGEBYSCORE', KEPT, '-inf', NOW_TEXT, 'LIMIT', 0, limit) or {}) do
    call('HDEL', HOLDERS, field)
    call('ZREM', KEPT, field)
end
return answer({deleted, #ids})
