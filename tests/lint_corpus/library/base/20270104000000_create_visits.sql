-- migrate:up
CREATE TABLE visits (happened_on date NOT NULL, desk text NOT NULL, member_id bigint) PARTITION BY RANGE (happened_on);
CREATE TABLE visits_2026 PARTITION OF visits
    FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY LIST (desk);
CREATE TABLE visits_2026_hall PARTITION OF visits_2026 FOR VALUES IN ('hall');
CREATE TABLE visits_2028 (
    happened_on  date NOT NULL,
    desk         text NOT NULL,
    member_id    bigint,
    CONSTRAINT visits_2028_bounds CHECK (happened_on >= '2028-01-01' AND happened_on < '2029-01-01')
);
CREATE TABLE visits_before (happened_on date NOT NULL, desk text NOT NULL, member_id bigint);
INSERT INTO visits_before VALUES ('2025-03-01', 'hall', 1);

-- migrate:down irreversible:true
