-- Create the public programme and the sales report.
--
-- Purpose: the web site lists coming performances from a view, so that the tables
-- behind it can change. The managers' report reads every order line and may be an
-- hour old: a materialized view, refreshed by a job. Its unique index lets the job
-- use REFRESH MATERIALIZED VIEW CONCURRENTLY, which does not block readers.
-- Rights: the programme is for everybody, so PUBLIC may read it. Rights for roles
-- are given where the roles are made, as they differ between environments.
-- Rollback: takes the rights back and drops the views. They hold no data of their own.

-- migrate:up
CREATE VIEW boxoffice.programme AS
SELECT p.performance_id,
       p.starts_at,
       p.doors_open_at,
       e.title,
       e.kind,
       v.name AS venue,
       h.name AS hall,
       min(b.price_cents) AS cheapest_cents
  FROM boxoffice.performances AS p
  JOIN boxoffice.events AS e ON e.event_id = p.event_id
  JOIN boxoffice.venues AS v ON v.venue_id = p.venue_id
  JOIN boxoffice.halls AS h ON h.venue_id = p.venue_id AND h.hall_no = p.hall_no
  LEFT JOIN boxoffice.price_bands AS b ON b.performance_id = p.performance_id
 GROUP BY p.performance_id, p.starts_at, p.doors_open_at, e.title, e.kind, v.name, h.name;
COMMENT ON VIEW boxoffice.programme IS 'What''s on: one row per performance; "cheapest_cents" is NULL before prices are set';

CREATE MATERIALIZED VIEW boxoffice.sales_by_performance AS
SELECT p.performance_id,
       e.title,
       h.capacity,
       COALESCE(sum(l.quantity), 0) AS seats_sold,
       COALESCE(sum(l.total_cents), 0) AS income_cents,
       round(100.0 * COALESCE(sum(l.quantity), 0) / h.capacity, 1) AS sold_percent
  FROM boxoffice.performances AS p
  JOIN boxoffice.events AS e ON e.event_id = p.event_id
  JOIN boxoffice.halls AS h ON h.venue_id = p.venue_id AND h.hall_no = p.hall_no
  LEFT JOIN (
           boxoffice.order_lines AS l
           JOIN boxoffice.orders AS o ON o.order_id = l.order_id AND o.status = 'paid'
       ) ON l.performance_id = p.performance_id
 GROUP BY p.performance_id, e.title, h.capacity
  WITH DATA;
CREATE UNIQUE INDEX sales_by_performance_key ON boxoffice.sales_by_performance (performance_id);
COMMENT ON COLUMN boxoffice.sales_by_performance.sold_percent IS 'Share of the hall''s seats in %, paid orders only';

GRANT USAGE ON SCHEMA boxoffice TO PUBLIC;
GRANT SELECT ON boxoffice.programme TO PUBLIC;

-- migrate:down
REVOKE SELECT ON boxoffice.programme FROM PUBLIC;
REVOKE USAGE ON SCHEMA boxoffice FROM PUBLIC;
DROP MATERIALIZED VIEW boxoffice.sales_by_performance;
DROP VIEW boxoffice.programme;
