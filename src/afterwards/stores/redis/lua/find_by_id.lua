-- with: shared gates steps tries search groups
-- Of these tasks those that match, newest first. Writes nothing.
--
-- ARGV: what find has, then the ids. Answers as find does.

local limit, _, from, tells = unpack(ARGV, search.REST, search.REST + 3)
local bound = bound_of(from)
local members, seen = {}, {}
for at = search.REST + 4, #ARGV do
    local id = named_by(ARGV[at])
    local life = bound and not seen[id] and read(id)
    seen[id] = true
    if life and search.matches(id, life) then
        local member = life[SEQUENCE] .. id
        if bound == '' or member < bound then
            members[#members + 1] = member
        end
    end
end
table.sort(members, function(one, other) return one > other end)
local ids = {}
for at = 1, math.min(tonumber(limit), #members) do
    ids[at] = id_of(members[at])
end
return answer({tells == '1' and tries.all_told(ids) or ids, #ids < #members and members[#ids] or ''})
