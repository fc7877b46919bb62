-- with: shared gates steps search
-- Deletes tasks that have ended and match, but for those of chains that go on. Nothing in it is refused when memory is short, since it makes room.
--
-- ARGV: the search, then ids. Answers with those that went.

local deleted, seen = {}, {}
for at = search.REST, #ARGV do
    local id = named_by(ARGV[at])
    local life = read(id)
    if life and life[ENDED_AT] ~= '' and search.matches(id, life) and not chains.goes_on(id, life) then
        erase(id, life)
        deleted[#deleted + 1] = ARGV[at]
    elseif IS_AGAIN and not life and not seen[id] then
        deleted[#deleted + 1] = ARGV[at]  -- the first time, whose answer was lost
    end
    seen[id] = true
end
return answer(deleted)
