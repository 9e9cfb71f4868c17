-- migrate:up
ALTER TABLE books ADD COLUMN tags text DEFAULT array_to_string(ARRAY['new', 'unread'], ',');
ALTER TABLE books ADD COLUMN tag_count integer DEFAULT array_length(ARRAY[1, 2], 1);

-- migrate:down irreversible:true
