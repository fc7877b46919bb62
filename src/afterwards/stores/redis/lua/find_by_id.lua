-- with: shared gates steps groups
-- Of these tasks those that match, newest first. Writes nothing.
--
-- ARGV: limit, state, queue, name and after as find has them, then the ids.

local limit, state, queue, name, after = tonumber(ARGV[FIRST]), unpack(ARGV, FIRST + 1, FIRST + 4)
local bound = member_of(after)
local members, seen = {}, {}
for at = FIRST + 5, #ARGV do
    local id = named_by(ARGV[at])
    local life = bound and not seen[id] and read(id)
    seen[id] = true
    if life then
        local known, member = line(life[LINE]), life[SEQUENCE] .. id
        if (state == '' or life[STATE] == state)
            and (queue == '' or '=' .. known.queue == queue)
            and (name == '' or '=' .. known.name == name)
            and (bound == '' or member < bound) then
            members[#members + 1] = member
        end
    end
end
table.sort(members, function(one, other) return one > other end)
local ids = {}
for at = 1, math.min(limit, #members) do
    ids[at] = id_of(members[at])
end
return answer(all_told(ids))
