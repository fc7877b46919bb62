-- with: shared gates steps search
-- Ended tasks wait again, due now, with attempts and crashes counted anew. The run goes on; the turn in the request's
-- line stays over, since a person's retry stands outside the line. One whose key another holds stays as it is, and one that
-- does not match.
--
-- ARGV: the search, then ids. Answers with those that changed.

local function is_free(id, life)
    local key = key_text(id, life)
    local holder = key and holder_of(field_of(line(life[LINE]).name, key))
    return not holder or holder == id, key
end

local retried, seen = {}, {}
for at = search.REST, #ARGV do
    local id = named_by(ARGV[at])
    local life = not seen[id] and read(id)
    local free, key
    if life and life[ENDED_AT] ~= '' and search.matches(id, life) then
        free, key = is_free(id, life)
    end
    seen[id] = true
    if free then
        begin()
        if key then
            hold(field_of(line(life[LINE]).name, key), id)
        end
        call('ZREM', ENDED, id)
        grown = grown - life[SIZE]
        for letter in string.gmatch('erpl', '.') do
            set_text(id, life, letter, '')
        end
        life[DUE], life[ATTEMPT], life[CRASHES], life[SUSPECT], life[STOP] = NOW_TEXT, '0', '0', '0', '0'
        life[STARTED], life[ENDED_AT], life[SIZE], life[TOUCHED] = '', '', '0', TOKEN
        mark(id, life, IS_WAITING)
        enter(id, life)
        write(id, life)
        retried[#retried + 1] = ARGV[at]
    elseif IS_AGAIN and life and life[ENDED_AT] == '' and life[TOUCHED] == TOKEN then
        retried[#retried + 1] = ARGV[at]  -- the first time, whose answer was lost
    end
end
return answer(retried)
