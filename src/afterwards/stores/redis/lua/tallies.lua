-- with: shared gates steps
-- What workers have counted, as texts. Writes nothing.
--
-- Answers with the worker, the text, and whether it is signed on, of each.

local told = {}
local fields = call('HGETALL', TALLIES)
for at = 1, #fields, 2 do
    told[#told + 1] = {fields[at], fields[at + 1], call('HEXISTS', WORKERS, fields[at])}
end
return answer(told)
