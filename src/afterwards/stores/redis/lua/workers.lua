-- with: shared gates steps
-- Who has signed on, with the end of each lease. Writes nothing.

return answer({call('HGETALL', WORKERS), call('ZRANGE', LEASES, 0, -1, 'WITHSCORES')})
