-- migrate:up
CREATE VIEW a_view_with_a_name_that_is_so_long_that_postgresql_will_cut_it_off_somewhere AS SELECT 1 AS one;

-- migrate:down
DROP VIEW a_view_with_a_name_that_is_so_long_that_postgresql_will_cut_it_off_somewhere;
