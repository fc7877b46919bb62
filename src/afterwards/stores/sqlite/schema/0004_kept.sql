-- oldest code: 1
-- Code that knows only the schema before runs tasks as ever, and keeps nothing of them.

-- What is to be kept of a run, where it was said at the call; and the lines that a run has logged. Both are JSON.
ALTER TABLE afterwards_tasks ADD COLUMN keeps TEXT;
ALTER TABLE afterwards_tasks ADD COLUMN logs TEXT;
