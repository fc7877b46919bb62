-- oldest code: 1
-- An empty store is a name of its own, and no task. ARGV: the name, for the first who comes.

call('HSETNX', META, 'id', ARGV[FIRST])
