-- with: shared gates steps
-- The runs of one worker. Writes nothing.
--
-- ARGV: worker. Answers with id and run of each.

local claims = {}
for _, member in ipairs(of_worker(RUNNING, ARGV[FIRST], -1)) do
    local id = id_of(member)
    claims[#claims + 1] = {id, read(id)[RUN]}
end
return answer(claims)
