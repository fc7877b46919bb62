-- with: shared gates steps
-- All schedules. Writes nothing.
--
-- Answers with the store's now, and the name and the parts of each.

return answer({NOW_TEXT, call('HGETALL', SCHEDULES)})
