-- Move newsletter subscriptions out of the customers' preferences.
--
-- Purpose: the law wants to know when and where somebody agreed; a flag in a JSON
-- document cannot tell. The source of what is carried over names the old document.
-- ON CONFLICT: the sign-up page, released first, may have written a row already.
-- Rollback: writes the flag back for every customer, then drops the table. When
-- and where they agreed is lost; that they did is not.
-- dbmigrate:ignore-file L100 L115: 200,000 customers, applied at night

-- migrate:up
CREATE TABLE boxoffice.newsletter_subscriptions (
    customer_id uuid PRIMARY KEY REFERENCES boxoffice.customers (customer_id) ON DELETE CASCADE,
    agreed_at   timestamptz NOT NULL DEFAULT now(),
    source      text NOT NULL CHECK (source ~* '^(web|counter|preferences):')
);

INSERT INTO boxoffice.newsletter_subscriptions (customer_id, agreed_at, source)
SELECT customer_id, created_at, CONCAT('preferences:', customer_id::TEXT)
  FROM boxoffice.customers
 WHERE preferences ->> 'newsletter' = 'true'
 ORDER BY customer_id
    ON CONFLICT (customer_id) DO NOTHING;

UPDATE boxoffice.customers
   SET preferences = preferences - 'newsletter'
 WHERE preferences ? 'newsletter';

ALTER TABLE boxoffice.customers
    ALTER COLUMN preferences SET DEFAULT '{"greeting": "It''s showtime!"}';

-- migrate:down
ALTER TABLE boxoffice.customers
    ALTER COLUMN preferences SET DEFAULT '{"newsletter": false, "greeting": "It''s showtime!"}';

UPDATE boxoffice.customers AS c
   SET preferences = c.preferences || jsonb_build_object('newsletter', EXISTS (
           SELECT FROM boxoffice.newsletter_subscriptions AS s WHERE s.customer_id = c.customer_id
       ));

DROP TABLE boxoffice.newsletter_subscriptions;
