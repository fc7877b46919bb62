-- What a search asks for, as it stands at the beginning of ARGV, and whether a task matches it. Writes nothing. Stands on
-- steps.lua.
--
-- ARGV: the numbers of the states in one text, '=' and a queue or '', '=' and a function's name or '', '=' and a key or '',
-- '=' and an error's class or '', how its whole name may end or '', and the two instants between which it was added, or
-- ''. The class as it stands in JSON. What follows begins at `search.REST`.

local search = {REST = FIRST + 8}

do
    local states, queue, name, key, kind, ending, since, before = unpack(ARGV, FIRST, FIRST + 7)

    -- Groups of the index alone tell what matches.
    search.is_plain = key == '' and kind == '' and since == '' and before == ''

    function search.is_in(state, known)
        return find(states, state, 1, true)
            and (queue == '' or '=' .. known.queue == queue)
            and (name == '' or '=' .. known.name == name)
    end

    local function is_its_error(id)
        local its = call('HGET', TEXTS, id .. 'f')
        return its and ('=' .. its == kind or ending ~= '' and sub(its, -#ending) == ending)
    end

    local function is_its_key(id)
        local its = call('HGET', TEXTS, id .. 'k')
        return its and '=' .. its == key
    end

    local function was_added_then(life)
        return (since == '' or tonumber(life[ADDED]) >= tonumber(since))
            and (before == '' or tonumber(life[ADDED]) < tonumber(before))
    end

    -- Whether a task that is in it matches the rest of it too. Thousands are asked: so no life is read but for its time.
    function search.takes(id, life)
        return (key == '' or is_its_key(id))
            and (kind == '' or is_its_error(id))
            and (since == '' and before == '' or was_added_then(life or read(id)))
    end

    function search.matches(id, life)
        return search.is_in(life[STATE], line(life[LINE])) and (search.is_plain or search.takes(id, life))
    end
end
