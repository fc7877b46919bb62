-- with: shared steps
-- The states of tasks, of which a life's first letter is enough. Writes nothing.
--
-- ARGV: ids, or other names. Answers with a letter for each: its state, or '0' for one that is not stored.

local states = {}
for at = FIRST, #ARGV do
    local life = call('HGET', LIVES, named_by(ARGV[at]))
    states[#states + 1] = life and sub(life, 1, 1) or '0'
end
return answer(concat(states))
