-- oldest code: 1
-- Code that knows only the first schema never looks into this table, and ticks nothing.

-- What ticks by itself. `last` is the last tick, or since when ticks count; `seen`, when a worker last spoke of it.
CREATE TABLE afterwards_schedules (
    name TEXT NOT NULL PRIMARY KEY,
    function TEXT NOT NULL,
    line TEXT NOT NULL,
    last INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
    asked INTEGER NOT NULL DEFAULT 0 CHECK (asked IN (0, 1))
) STRICT;
