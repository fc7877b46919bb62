-- oldest code: 1
-- Code that knows only the first schema never looks into this table, and ticks nothing.

-- What ticks by itself. `last` is the last tick, or since when ticks count; `seen`, when a worker last spoke of it.
CREATE TABLE afterwards_schedules (
    name text COLLATE "C" NOT NULL PRIMARY KEY,
    function text NOT NULL,
    line text NOT NULL,
    last timestamptz NOT NULL,
    seen timestamptz NOT NULL,
    paused boolean NOT NULL DEFAULT false,
    asked boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1);
