-- with: shared gates steps schedules
-- Pauses, resumes, asks to run or forgets a schedule. One that was paused counts from now when it is resumed.
--
-- ARGV: name, what to do. Answers with whether there is one.

local name, how = ARGV[FIRST], ARGV[FIRST + 1]
local schedule = read_schedule(name)
if not schedule then
    return answer(0)
elseif how == 'forget' then
    begin()
    call('HDEL', SCHEDULES, name)
    return answer(1)
elseif how == 'pause' then
    schedule[PAUSED_OF] = '1'
elseif how == 'resume' then
    schedule[LAST_OF] = schedule[PAUSED_OF] == '1' and NOW_TEXT or schedule[LAST_OF]
    schedule[PAUSED_OF] = '0'
elseif how == 'run' then
    schedule[ASKED_OF] = '1'
end
write_schedule(name, schedule)
return answer(1)
