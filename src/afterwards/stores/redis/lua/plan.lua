-- with: shared gates steps schedules
-- Makes schedules known. A new one counts from now; what the code says of an old one changes it when that code starts,
-- or nobody has spoken of it for a minute.
--
-- ARGV: whether it starts; the name, the function and the line of each.

local MINUTE = 60 * 1000000

for at = FIRST + 1, #ARGV, 3 do
    local name, its_function, its_line = unpack(ARGV, at, at + 2)
    local known = read_schedule(name)
    if not known then
        write_schedule(name, {its_function, its_line, NOW_TEXT, NOW_TEXT, '0', '0'})
    elseif known[FUNCTION_OF] == its_function and known[LINE_OF] == its_line then
        known[SEEN_OF] = NOW_TEXT
        write_schedule(name, known)
    elseif ARGV[FIRST] == '1' or tonumber(known[SEEN_OF]) < NOW - MINUTE then
        known[FUNCTION_OF], known[LINE_OF], known[LAST_OF], known[SEEN_OF] = its_function, its_line, NOW_TEXT, NOW_TEXT
        write_schedule(name, known)
    end
end
return answer({})
