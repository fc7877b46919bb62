-- with: shared gates steps adding schedules
-- Makes one tick, if nobody has, and stores its calls. The condition is what makes each tick once: whoever comes second
-- finds another `last`.
--
-- ARGV: name, line, after, to, whether it is by hand, the calls. Answers with whether it was made.

local name, its_line, after, to, by_hand = unpack(ARGV, FIRST, FIRST + 4)
local schedule = read_schedule(name)
if IS_AGAIN and #ARGV >= FIRST + 5 and call('HEXISTS', LIVES, ARGV[FIRST + 5]) == 1 then
    return answer(1)  -- the first time, whose answer was lost: nobody else has calls with these ids
end
if not schedule or schedule[LINE_OF] ~= its_line then
    return answer(0)
elseif by_hand == '1' then
    if schedule[ASKED_OF] == '0' then
        return answer(0)
    end
    schedule[ASKED_OF] = '0'
else
    if schedule[LAST_OF] ~= after or tonumber(to) > NOW or schedule[PAUSED_OF] == '1' then
        return answer(0)
    end
    schedule[LAST_OF] = to
end
write_schedule(name, schedule)
store_calls(FIRST + 5, (#ARGV - FIRST - 4) / CALL_WIDTH)
return answer(1)
