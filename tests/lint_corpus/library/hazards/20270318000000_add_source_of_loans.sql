-- migrate:up
ALTER TABLE loans ADD COLUMN source text DEFAULT current_query();

-- migrate:down irreversible:true
