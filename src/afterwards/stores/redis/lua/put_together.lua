-- with: shared gates steps
-- Puts one tally in the place of several, of workers that have gone; nothing, if one of them is another by now.
--
-- ARGV: a name that no worker has, the tally, and worker and tally of those that it is made of.

local names = {}
for at = FIRST + 2, #ARGV, 2 do
    if call('HGET', TALLIES, ARGV[at]) ~= ARGV[at + 1] or call('HEXISTS', WORKERS, ARGV[at]) == 1 then
        return answer({})
    end
    names[#names + 1] = ARGV[at]
end
proceed()
for _, name in ipairs(names) do
    call('HDEL', TALLIES, name)
end
call('HSET', TALLIES, ARGV[FIRST], ARGV[FIRST + 1])
return answer({})
