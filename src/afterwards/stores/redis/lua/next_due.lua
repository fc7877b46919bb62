-- with: shared gates steps
-- When the first task is due that a worker could claim. The heads of its lines, and of the suspects' if it takes one; and
-- the gates that open. Writes nothing.
--
-- ARGV: worker, whether it takes a suspect, the names it does not know. Answers with the microseconds from now, or ''.

local worker, takes_suspect, unknown = ARGV[FIRST], ARGV[FIRST + 1] == '1', {}
for at = FIRST + 2, #ARGV do
    unknown[ARGV[at]] = true
end

local first, now = nil, sortable(NOW_TEXT)
local function look_at(key)
    for score, member in heads(key) do
        local due = sub(member, 1, 19)
        if not first or due < first then
            local known = line(score)
            first = not unknown[known.name] and may_claim(worker, known.queue) and due or first
        end
        if first and first <= now then
            return
        end
    end
end

if card_of(worker) then
    look_at(WAITING)
    if takes_suspect then
        look_at(SUSPECTS)
    end
    for _, opening in ipairs(gates.first_openings(worker, unknown, 1)) do
        if not first or opening.opens < first then
            first = opening.opens
        end
    end
end
if not first then
    return answer('')
end
if sub(first, 1, 1) == '0' then
    return answer('0')
end
return answer(whole(math.max(tonumber(sub(first, 2)) - NOW, 0)))
