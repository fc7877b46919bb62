-- with: shared gates steps
-- Makes a worker known and starts its lease; under the same id again it renews the card.
--
-- ARGV: id, host, pid, label, lease, how many quotas it declares, those (name, most, rate, period, '' for none), whether
-- it serves all queues, the queues. What waited for its names is freed by free_unknown.

must_exist()
proceed()
local card = {ARGV[FIRST + 1], ARGV[FIRST + 2], ARGV[FIRST + 3], NOW_TEXT, '0'}
local after_quotas = FIRST + 6 + 4 * ARGV[FIRST + 5]
for at = after_quotas, #ARGV do
    card[#card + 1] = ARGV[at]
end
call('HSET', WORKERS, ARGV[FIRST], concat(card, '\0'))
gates.declare(ARGV[FIRST], FIRST + 6, after_quotas - 1)
call('ZADD', LEASES, later(ARGV[FIRST + 4]), ARGV[FIRST])
rings = true
return answer({})
