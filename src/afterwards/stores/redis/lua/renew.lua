-- with: shared gates steps
-- Prolongs a worker's lease, to end so long from now. One that is not known any more is lost.
--
-- ARGV: worker, lease, what it has counted or ''. Answers with 1 if it is lost, and the store's now.

local is_known = call('HEXISTS', WORKERS, ARGV[FIRST]) == 1
if is_known then
    proceed()
    call('ZADD', LEASES, later(ARGV[FIRST + 1]), ARGV[FIRST])
    keep_tally(ARGV[FIRST], ARGV[FIRST + 2])
end
return answer({is_known and 0 or 1, NOW_TEXT})
