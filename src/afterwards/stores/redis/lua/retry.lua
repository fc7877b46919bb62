-- with: shared steps
-- Ended tasks wait again, due now, with attempts and crashes counted anew. The run goes on; the turn in the request's
-- line stays over, since a person's retry stands outside the line.
--
-- ARGV: ids. Answers with those that changed.

local retried = {}
for at = FIRST, #ARGV do
    local id = ARGV[at]
    local life = read(id)
    if life and life[ENDED_AT] ~= '' then
        begin()
        call('ZREM', ENDED, id)
        grown = grown - life[SIZE]
        for letter in string.gmatch('erp', '.') do
            set_text(id, life, letter, '')
        end
        life[DUE], life[ATTEMPT], life[CRASHES], life[SUSPECT], life[STOP] = NOW_TEXT, '0', '0', '0', '0'
        life[STARTED], life[ENDED_AT], life[SIZE], life[TOUCHED] = '', '', '0', TOKEN
        mark(id, life, IS_WAITING)
        enter(id, life)
        write(id, life)
        retried[#retried + 1] = id
    elseif IS_AGAIN and life and life[TOUCHED] == TOKEN then
        retried[#retried + 1] = id  -- the first time, whose answer was lost
    end
end
return answer(retried)
