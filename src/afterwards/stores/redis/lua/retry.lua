-- with: shared gates steps tries followers search
-- Ended tasks wait again, due now, with attempts and crashes counted anew. The run goes on; the turn in the request's
-- line stays over, since a person's retry stands outside the line. One whose key another holds stays as it is, and one that
-- does not match.
--
-- A step of a chain is held again while something that it needs has not ended, and stays as it is if that has ended and
-- not well. What was cancelled because of a task that waits again is held again too.
--
-- ARGV: the search, then ids. Answers with those that changed.

local function is_free(id, life)
    local key = key_text(id, life)
    local holder = key and holder_of(field_of(line(life[LINE]).name, key))
    return not holder or holder == id, key
end

local function turn_again(id, life)
    return has_text(life, 'n') and followers.turn_of(call('HGET', TEXTS, id .. 'n')) or {}
end

local function leave_ended(id, life)
    local chain = chains.of(id, life)
    if call('ZREM', ENDED, id) == 1 then
        grown = grown - life[SIZE]
    end
    if chain then
        call('ZREM', SPARED, chain .. id)
        call('ZREM', BROKEN, chains.broken(id, life))
    end
end

local function wait_again(id, life, former)
    leave_ended(id, life)
    tries.note_last(id, life)
    for letter in string.gmatch('erplf', '.') do
        set_text(id, life, letter, '')
    end
    life[ATTEMPT], life[CRASHES], life[SUSPECT], life[STOP] = '0', '0', '0', '0'
    life[STARTED], life[ENDED_AT], life[SIZE] = '', '', '0'
    if former then
        life[HELD], life[AFTER], life[FREED] = 'after', former, '0'
    end
    life[DUE] = former and not is_due(life) and life[DUE] or NOW_TEXT
    chains.join(id, life)
    mark(id, life, IS_WAITING)
    enter(id, life)
    write(id, life)
end

local function revive(ids)
    local at = 1
    while ids[at] do
        for _, step in ipairs(followers.with_turns(BROKEN, ids[at])) do
            if step.turn.waits_for then
                wait_again(step.id, step.life, step.turn.waits_for)
                ids[#ids + 1] = step.id
            end
        end
        at = at + 1
    end
end

local function retry(id, life, key, former)
    begin()
    if key then
        hold(field_of(line(life[LINE]).name, key), id)
    end
    life[TOUCHED] = TOKEN
    wait_again(id, life, former)
    revive({id})
end

local retried, seen = {}, {}
for at = search.REST, #ARGV do
    local id = named_by(ARGV[at])
    local life = not seen[id] and read(id)
    seen[id] = true
    if life and life[ENDED_AT] ~= '' and search.matches(id, life) then
        local takes_key, key = is_free(id, life)
        local turn = turn_again(id, life)
        if takes_key and not turn.broken_by then
            retry(id, life, key, turn.waits_for)
            retried[#retried + 1] = ARGV[at]
        end
    elseif IS_AGAIN and life and life[TOUCHED] == TOKEN then
        retried[#retried + 1] = ARGV[at]  -- the first time, whose answer was lost
    end
end
return answer(retried)
