-- with: shared gates steps
-- Of these tasks, those that are stored, and whether their turn is over. Writes nothing.
--
-- ARGV: ids.

local turns = {}
for at = FIRST, #ARGV do
    local life = read(ARGV[at])
    if life then
        turns[#turns + 1] = {ARGV[at], life[FREED]}
    end
end
return answer(turns)
