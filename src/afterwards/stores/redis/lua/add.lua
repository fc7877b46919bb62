-- with: shared steps adding
-- Stores calls, all of them: of as many requests as came meanwhile. What its adder may claim runs for it at once.
--
-- ARGV: the calls. Answers with the store's now and a letter for each call: '1' if it was claimed.

return answer({NOW_TEXT, store_calls(FIRST, (#ARGV - FIRST + 1) / CALL_WIDTH)})
