-- with: shared gates steps
-- Stores waiting tasks of another store, each as it is, in their order; ids that are stored already change nothing.
--
-- ARGV: for each task id, name, queue, priority, retry, arguments, hold, due, added, attempt, run, crashes, crashes
-- allowed, suspect, whether its turn is over, started, after, error, result, progress, key, timeout, deadline, for how
-- long its key is held, trace, its other names in one text, what it keeps, logs, limit key. Answers with those that were new. A hold
-- after a former is looked at once more, since its turn may have ended meanwhile.

local WIDTH = 29

local received, incoming = {}, {}
for at = FIRST, #ARGV, WIDTH do
    incoming[ARGV[at]] = true
end
for at = FIRST, #ARGV, WIDTH do
    local id, name, queue, priority, retry, arguments, held, due, added, attempt, run, crashes, allowed, suspect, freed,
        started, after, error, result, progress, key, timeout, deadline, unique_for, trace, twins, keeps, logs, limit =
        unpack(ARGV, at, at + WIDTH - 1)
    local stored = read(id)
    if not stored then
        begin()
        local former = held == 'after' and read(after)
        if held == 'after' and (former and former[FREED] == '1' or not former and not incoming[after]) then
            held = ''
        end
        local life = {
            IS_WAITING, held, line_of(queue, name, priority),
            format('%012x', call('HINCRBY', META, 'sequence', 1)), due, added, attempt, run, crashes, allowed, suspect,
            freed, '0', '', started, '', TOKEN, '', after, '0',
            '', '',
        }
        call('HSET', CALLS, id, concat({name, queue, priority, retry, arguments, timeout, deadline}, '\0'))
        set_text(id, life, 'e', error)
        set_text(id, life, 'r', result)
        set_text(id, life, 'p', progress)
        set_text(id, life, 'k', key)
        set_text(id, life, 'u', unique_for)
        set_text(id, life, 't', trace)
        if key ~= '' and not holder_of(field_of(name, key)) then
            hold(field_of(name, key), id)
        end
        for twin in string.gmatch(twins, string.rep('.', ID_WIDTH)) do
            add_twin(twin, id)
        end
        set_text(id, life, 'o', keeps)
        set_text(id, life, 'l', logs)
        set_text(id, life, 'g', limit)
        mark(id, life, IS_WAITING)
        enter(id, life)
        write(id, life)
        received[#received + 1] = id
    elseif IS_AGAIN and stored[TOUCHED] == TOKEN and stored[STATE] == IS_WAITING then
        received[#received + 1] = id
    end
end
return answer(received)
