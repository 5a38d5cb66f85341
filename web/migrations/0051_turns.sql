-- Teams take turns: a task's turn is its place, after its rank. It is fixed when the task is asked
-- for, so that the next task is the first of an index, however many wait.
ALTER TABLE scoring ADD COLUMN turn BIGINT NOT NULL DEFAULT 0;
ALTER TABLE team DROP COLUMN served;
DROP INDEX scoring_waits;
CREATE INDEX scoring_next ON scoring (rank, turn, id) WHERE state = 'queued';
CREATE INDEX scoring_began ON scoring (rank, turn) WHERE began_at IS NOT NULL;
CREATE INDEX scoring_turn ON scoring (team, rank, turn);
-- What a corrected truth still waits for.
CREATE INDEX scoring_left ON scoring (competition, stage, truth)
    WHERE kind = 'score' AND state IN ('queued', 'running');
