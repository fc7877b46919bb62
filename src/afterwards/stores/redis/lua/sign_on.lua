-- with: shared steps
-- Makes a worker known and starts its lease; under the same id again it renews the card.
--
-- ARGV: id, host, pid, label, lease, whether it serves all queues, the queues. What waited for its names is freed by
-- free_unknown.

must_exist()
proceed()
local card = {ARGV[FIRST + 1], ARGV[FIRST + 2], ARGV[FIRST + 3], NOW_TEXT, '0'}
for at = FIRST + 5, #ARGV do
    card[#card + 1] = ARGV[at]
end
call('HSET', WORKERS, ARGV[FIRST], concat(card, '\0'))
call('ZADD', LEASES, later(ARGV[FIRST + 4]), ARGV[FIRST])
rings = true
return answer({})
