-- with: shared gates steps followers
-- Deletes waiting tasks, which another store has received. Who was held after them in a line is freed; a step of a chain
-- that needs one stays held.
--
-- ARGV: ids. Answers with those deleted.

local forgotten = {}

local function free_line(id)
    for _, member in ipairs(beginning_with(FOLLOWERS, id, -1)) do
        local follower = id_of(member)
        local life = read(follower)
        if not has_text(life, 'n') then
            followers.set_free(follower, life)
        end
    end
end

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
for _, id in ipairs(forgotten) do
    free_line(id)
end
return answer(forgotten)
