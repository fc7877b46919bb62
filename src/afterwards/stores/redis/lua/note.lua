-- with: shared steps
-- Writes how far runs are, each fenced by its claim.
--
-- ARGV: for each id, run, worker, progress. Answers with a letter for each: '1' when its claim held.

local WIDTH = 4

local held = {}
for at = FIRST, #ARGV, WIDTH do
    local id, run, worker, progress = unpack(ARGV, at, at + WIDTH - 1)
    local life = read(id)
    local holds = life and life[STATE] == IS_RUNNING and life[RUN] == run and life[WORKER] == worker
    if holds then
        proceed()
        local had = life[HAS]
        set_text(id, life, 'p', progress)
        if life[HAS] ~= had then
            write(id, life)
        end
    end
    held[#held + 1] = holds and '1' or '0'
end
return answer(concat(held))
