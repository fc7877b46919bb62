-- with: shared gates steps groups
-- A page of tasks, newest first. State, queue and name choose groups of the index, so that what does not match is not
-- read. Writes nothing.
--
-- ARGV: limit, state or '', '=' and a queue or '', '=' and a name or '', the id after which it goes on or ''.

local limit, state, queue, name, after = tonumber(ARGV[FIRST]), unpack(ARGV, FIRST + 1, FIRST + 4)
local bound = member_of(after)
if not bound then
    return answer({})
end
local chosen = {}
for _, group in ipairs(groups()) do
    if (state == '' or group.state == state)
        and (queue == '' or '=' .. group.line.queue == queue)
        and (name == '' or '=' .. group.line.name == name) then
        chosen[#chosen + 1] = group
    end
end
return answer(all_told(merged(chosen, limit, bound, -1)))
