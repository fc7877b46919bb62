-- oldest code: 1
-- Code that knows only the schema before this counts nothing that lasts.

-- What workers have counted, as JSON: a row for each that is signed on, and for those who have gone, more and more of
-- them in one. Beside the workers and not among them, since it stays when they go. Rewritten with each renewal.
CREATE TABLE afterwards_tallies (
    worker text COLLATE "C" NOT NULL PRIMARY KEY,
    tally text NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1);
