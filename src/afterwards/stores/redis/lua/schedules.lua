-- A schedule is read and written here: one text of its parts, under its name. Stands on shared.lua.

local FUNCTION_OF, LINE_OF, LAST_OF, SEEN_OF, PAUSED_OF, ASKED_OF = 1, 2, 3, 4, 5, 6

local function read_schedule(name)
    local schedule = call('HGET', SCHEDULES, name)
    return schedule and split(schedule)
end

local function write_schedule(name, schedule)
    begin()
    call('HSET', SCHEDULES, name, concat(schedule, '\0'))
end
