-- oldest code: 1
-- Code that knows only the schema before notes no tries, and those that it ends are missing.

-- The runs of a task before its last, a list of objects; NULL for most, which succeed at once.
ALTER TABLE afterwards_tasks ADD COLUMN tries jsonb;
