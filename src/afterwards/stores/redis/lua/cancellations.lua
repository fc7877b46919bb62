-- with: shared gates steps
-- The runs of one worker that somebody asked to stop, from an index that holds no others. Writes nothing.
--
-- ARGV: worker. Answers with id and run of each.

local asked = {}
for _, member in ipairs(of_worker(STOPPING, ARGV[FIRST], -1)) do
    local id = id_of(member)
    asked[#asked + 1] = {id, read(id)[RUN]}
end
return answer(asked)
