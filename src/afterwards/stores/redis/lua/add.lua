-- with: shared gates steps adding
-- Stores calls, all of them: of as many requests as came meanwhile. What its adder may claim runs for it at once.
--
-- ARGV: the calls. Answers with the store's now and what store_calls answers.

local claimed, twins = store_calls(FIRST, (#ARGV - FIRST + 1) / CALL_WIDTH)
return answer({NOW_TEXT, claimed, twins})
