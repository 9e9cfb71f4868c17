-- migrate:up
CREATE TRIGGER orders_touch BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();

-- migrate:down
DROP TRIGGER orders_touch ON orders;
