-- with: shared gates steps tries search groups
-- A page of tasks that match, newest first. State, queue and name choose groups of the index, so that what does not match
-- those is not read; for the rest each task of these groups is looked at, a bounded number. Writes nothing.
--
-- ARGV: the search, how many at most, how many to look at, the id or the bookmark after which it goes on or '', and '1'
-- for whole tasks, or '' for their ids. Answers with those, and the next bookmark, '' at the end.

local limit, look, from, tells = unpack(ARGV, search.REST, search.REST + 3)
limit, look = tonumber(limit), tonumber(look)
local bound = bound_of(from)
if not bound then
    return answer({{}, ''})
end

local chosen = {}
for _, group in ipairs(groups()) do
    if search.is_in(group.state, group.line) then
        chosen[#chosen + 1] = group
    end
end

local found, looked, last, next_member = {}, 0, '', walk(chosen, bound, -1)
while #found < limit and looked < look do
    last, looked = next_member() or '', looked + 1
    if last == '' then
        break
    end
    local id = id_of(last)
    if search.is_plain or search.takes(id) then
        found[#found + 1] = id
    end
end
return answer({tells == '1' and tries.all_told(found) or found, last})
