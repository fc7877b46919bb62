-- with: shared gates steps
-- Stops or resumes claiming from a queue. Its tasks stay where they are; claims pass the whole queue over.
--
-- ARGV: queue, whether it is to be paused.

must_exist()
proceed()
if ARGV[FIRST + 1] == '1' then
    call('SADD', PAUSED, ARGV[FIRST])
else
    call('SREM', PAUSED, ARGV[FIRST])
    rings = true
end
return answer({})
