-- with: shared gates steps followers search
-- Waiting tasks are cancelled at once and free their followers; running ones are asked to stop. Over a task whose turn
-- had not come the line closes: who waited for it now waits for the one before. A step of a chain that needs it is
-- cancelled too, unless it starts anyway. One that does not match stays as it is.
--
-- ARGV: the search, then ids. Answers with those that changed.

local changed, seen = {}, {}

local function close_over(id, life)
    for _, member in ipairs(beginning_with(FOLLOWERS, id, -1)) do
        local follower = id_of(member)
        local its_life = read(follower)
        if not has_text(its_life, 'n') then
            followers.hold_after(follower, its_life, life[AFTER])
        end
    end
end

local function cancel_waiting(id, life)
    if life[HELD] == 'after' then
        close_over(id, life)
    end
    leave(id, life)
    life[TOUCHED] = TOKEN
    finish(id, life, IS_CANCELLED)
    write(id, life)
    followers.free({id}, '')
end

for at = search.REST, #ARGV do
    local id = named_by(ARGV[at])
    local life = not seen[id] and read(id)
    seen[id] = true
    local fits = life and search.matches(id, life)
    if fits and life[STATE] == IS_WAITING then
        proceed()
        cancel_waiting(id, life)
        changed[#changed + 1] = ARGV[at]
    elseif fits and life[STATE] == IS_RUNNING and life[STOP] == '0' then
        proceed()
        life[STOP] = '1'
        call('ZADD', STOPPING, 0, life[WORKER] .. '\0' .. id)
        write(id, life)
        changed[#changed + 1] = ARGV[at]
    elseif IS_AGAIN and life and (life[TOUCHED] == TOKEN or life[STOP] == '1') then
        changed[#changed + 1] = ARGV[at]  -- the first time, whose answer was lost
    end
end
return answer(changed)
