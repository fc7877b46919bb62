-- with: shared gates steps tries groups
-- A page of waiting tasks, held ones too, in the order in which they were stored. Writes nothing.
--
-- ARGV: limit, the id after which it goes on or ''. Answers with the tasks, and the other names of each.

local bound = member_of(ARGV[FIRST + 1])
if not bound then
    return answer({{}, {}})
end
local chosen = {}
for _, group in ipairs(groups()) do
    if group.state == IS_WAITING then
        chosen[#chosen + 1] = group
    end
end
local ids, twins = merged(chosen, tonumber(ARGV[FIRST]), bound, 1), {}
for at, id in ipairs(ids) do
    twins[at] = twins_of(id)
end
return answer({tries.all_told(ids), twins})
