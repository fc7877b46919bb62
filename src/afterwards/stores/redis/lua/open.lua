-- with: shared gates steps
-- What tells this store from every other, and the steps of its schema that it has had. Writes nothing. Keys that are
-- somebody else's are an error here, where it is known before the first of them is written.
--
-- Answers with the id or '', and the number and the oldest code of each step.

local KINDS = {
    hash = {
        META, CALLS, LIVES, TEXTS, WORKERS, LINES, SCHEDULES, HOLDERS, TWINS, QUOTAS, DECLARED, STANDING, OPENS, TALLIES,
    },
    zset = {
        INDEX, WAITING, SUSPECTS, FOLLOWERS, UNKNOWN, RUNNING, STOPPING, ENDED, LEASES, NAMES, KEPT, LIMITED_RUNS, GATES,
        OPENINGS, PASSES, CHAINS, BROKEN, SPARED,
    },
    set = {PAUSED},
}
for kind, keys in pairs(KINDS) do
    for _, key in ipairs(keys) do
        local found = call('TYPE', key).ok
        if found ~= 'none' and found ~= kind then
            error('WRONGTYPE ' .. key .. ' is a ' .. found)
        end
    end
end

local steps = {}
local fields = call('HGETALL', META)
for at = 1, #fields, 2 do
    local step = string.match(fields[at], '^schema:(%d+)$')
    if step then
        steps[#steps + 1] = {step, fields[at + 1]}
    end
end
return answer({call('HGET', META, 'id') or '', steps})
