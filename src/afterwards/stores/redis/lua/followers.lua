-- Who is held after a task, in a line or as a step of a chain, and what becomes of them when its turn is over. Stands on
-- steps.lua.
--
-- The needs of a step are one text: a '1' if it starts whatever became of them, and their ids. It is held after one of
-- them at a time. When that has ended it is held after the next before it that has not; the others are looked at when
-- there is none. So a group that ends one after another is read twice, and not once for each of its tasks.
--
-- `followers` has what other files use: a script may have no more than 200 names of its own.

local followers = {FIRST_NEED = 2}

do

local FIRST_NEED = followers.FIRST_NEED

-- Where in the needs an id stands; nil, if it does not.
local function place_among(needs, id)
    local at = find(needs, id, FIRST_NEED, true)
    while at and (at - FIRST_NEED) % ID_WIDTH ~= 0 do
        at = find(needs, id, at + 1, true)
    end
    return at
end

function followers.state_of(id)
    local life = call('HGET', LIVES, id)
    return life and sub(life, 1, 1)
end

function followers.has_ended(id)
    local state = followers.state_of(id)
    return state == IS_DONE or state == IS_FAILED or state == IS_CANCELLED
end

-- Of the needs from one place down to another: the first met that has not ended, or else the lowest that is not done. One
-- that is gone is not done.
local function look_down(needs, from, to)
    local broken_by
    for at = from, to, -ID_WIDTH do
        local id = sub(needs, at, at + ID_WIDTH - 1)
        local state = followers.state_of(id)
        if state == IS_WAITING or state == IS_RUNNING then
            return id
        elseif state ~= IS_DONE then
            broken_by = id
        end
    end
    return nil, broken_by
end

-- As turn_of in turns.py: what a step waits for next, or what broke its chain; neither, if it may start. It looks from
-- the place of `after` down first, above that most have ended.
function followers.turn_of(needs, after)
    local last = #needs - ID_WIDTH + 1
    local place = after and place_among(needs, after) or last
    local waits_for, broken_by = look_down(needs, place, FIRST_NEED)
    if not waits_for then
        local broken_above
        waits_for, broken_above = look_down(needs, last, place + ID_WIDTH)
        broken_by = broken_by or broken_above
    end
    if waits_for or sub(needs, 1, 1) == '1' then
        broken_by = nil
    end
    return {waits_for = waits_for, broken_by = broken_by}
end

-- The tasks of an index whose members begin with this id, each with its life and, if it is a step, its turn. Steps with
-- the same needs, such as a group that follows a group, are asked about once.
function followers.with_turns(key, id)
    local found, turns = {}, {}
    for at, member in ipairs(beginning_with(key, id, -1)) do
        local one = id_of(member)
        local life = read(one)
        local needs = has_text(life, 'n') and call('HGET', TEXTS, one .. 'n')
        if needs and not turns[needs] then
            turns[needs] = followers.turn_of(needs, id)
        end
        found[at] = {id = one, life = life, turn = needs and turns[needs]}
    end
    return found
end

function followers.set_free(id, life)
    leave(id, life)
    life[HELD] = ''
    enter(id, life)
    write(id, life)
end

function followers.hold_after(id, life, former)
    if life[AFTER] ~= former then
        leave(id, life)
        life[AFTER] = former
        enter(id, life)
        write(id, life)
    end
end

-- In the words of `unmet` in turns.py.
local function unmet(id)
    local state = followers.state_of(id)
    local became = not state and 'is gone' or state == IS_FAILED and 'has failed' or 'was cancelled'
    local named = concat({sub(id, 1, 8), sub(id, 9, 12), sub(id, 13, 16), sub(id, 17, 20), sub(id, 21)}, '-')
    return '{"kind": "needs", "message": "task ' .. named .. ', which it needs, ' .. became ..
        '. Once that is retried, this one waits for it again", "traceback": ""}'
end

local function never_start(id, life, broken_by)
    leave(id, life)
    life[AFTER] = broken_by
    set_error(id, life, unmet(broken_by))
    finish(id, life, IS_CANCELLED)
    write(id, life)
    call('ZADD', BROKEN, 0, chains.broken(id, life))
end

-- Frees who is held after these, whose turn is over; what `claimer` may have of them runs for it at once. Steps that can
-- never start are cancelled and added to `ids`, so that what needs those follows.
function followers.free(ids, claimer)
    local claimed, at = {}, 1
    while ids[at] do
        for _, follower in ipairs(followers.with_turns(FOLLOWERS, ids[at])) do
            local id, life, turn = follower.id, follower.life, follower.turn or {}
            if turn.waits_for then
                followers.hold_after(id, life, turn.waits_for)
            elseif turn.broken_by then
                never_start(id, life, turn.broken_by)
                ids[#ids + 1] = id
            elseif claimer ~= '' and is_due(life) and gates.may_claim_at_once(claimer, line(life[LINE])) then
                take(id, life, claimer)
                claimed[#claimed + 1] = id
            else
                followers.set_free(id, life)
            end
        end
        at = at + 1
    end
    return claimed
end

end
