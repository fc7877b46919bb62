-- with: shared gates steps
-- Frees tasks held as unknown under these names, a bounded number of them; each keeps its place.
--
-- ARGV: limit, the names. Answers with how many: as many as the limit means that there may be more.

local limit, names = tonumber(ARGV[FIRST]), {}
for at = FIRST + 1, #ARGV do
    names[ARGV[at]] = true
end

local freed = 0
for score in heads(UNKNOWN) do
    if names[line(score).name] and freed < limit then
        for _, member in ipairs(call('ZRANGEBYSCORE', UNKNOWN, score, score, 'LIMIT', 0, limit - freed)) do
            proceed()
            local id = id_of(member)
            local life = read(id)
            leave(id, life)
            life[HELD] = ''
            enter(id, life)
            write(id, life)
            freed = freed + 1
        end
    end
end
return answer(freed)
