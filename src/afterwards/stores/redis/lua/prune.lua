-- with: shared gates steps
-- Deletes tasks that ended longer ago, the oldest first, a bounded number. Only ended tasks are in its index. Nothing in
-- it is refused when memory is short, since it makes room. Keys that were held for longer than their tasks were kept go
-- when that is over.
--
-- ARGV: how long ago, limit. Answers with how many.

local limit = tonumber(ARGV[FIRST + 1])
local before = earlier(ARGV[FIRST])
local ids = limit > 0 and call('ZRANGEBYSCORE', ENDED, '-inf', '(' .. before, 'LIMIT', 0, limit) or {}
for _, id in ipairs(ids) do
    erase(id, read(id))
end
for _, field in ipairs(limit > 0 and call('ZRANGEBYSCORE', KEPT, '-inf', NOW_TEXT, 'LIMIT', 0, limit) or {}) do
    call('HDEL', HOLDERS, field)
    call('ZREM', KEPT, field)
end
return answer(#ids)
