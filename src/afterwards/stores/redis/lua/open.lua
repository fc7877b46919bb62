-- with: shared steps
-- What tells this store from every other, and the steps of its schema that it has had. Writes nothing.
--
-- Answers with the id or '', and the number and the oldest code of each step.

local steps = {}
local fields = call('HGETALL', META)
for at = 1, #fields, 2 do
    local step = string.match(fields[at], '^schema:(%d+)$')
    if step then
        steps[#steps + 1] = {step, fields[at + 1]}
    end
end
return answer({call('HGET', META, 'id') or '', steps})
