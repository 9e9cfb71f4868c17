-- migrate:up
CREATE TABLE vouchers (code text PRIMARY KEY, "customer; id" bigint, "LOCK TABLE orders" text DEFAULT 'TRUNCATE orders');
CREATE UNIQUE INDEX vouchers_customer ON vouchers ("customer; id");
ALTER TABLE vouchers ADD CONSTRAINT vouchers_code CHECK (code <> '');
ALTER TABLE vouchers ALTER COLUMN "customer; id" SET NOT NULL;
ALTER TABLE vouchers RENAME COLUMN "LOCK TABLE orders" TO remark;
ALTER TABLE vouchers ALTER COLUMN code TYPE varchar(20);

-- migrate:down
DROP TABLE vouchers;
