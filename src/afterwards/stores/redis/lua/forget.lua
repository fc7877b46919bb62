-- with: shared gates steps
-- Deletes waiting tasks, which another store has received; who was held after them is freed.
--
-- ARGV: ids. Answers with those deleted.

local forgotten = {}
for at = FIRST, #ARGV do
    local id = ARGV[at]
    local life = read(id)
    if life and life[STATE] == IS_WAITING then
        proceed()
        leave(id, life)
        erase(id, life)
        forgotten[#forgotten + 1] = id
    elseif IS_AGAIN and not life then
        forgotten[#forgotten + 1] = id  -- the first time, whose answer was lost, and nobody else forgets it
    end
end
free_followers(forgotten, '')
return answer(forgotten)
