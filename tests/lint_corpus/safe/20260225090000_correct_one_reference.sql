-- migrate:up
UPDATE orders SET reference = 'A-02' WHERE reference = 'A-2';

-- migrate:down
UPDATE orders SET reference = 'A-2' WHERE reference = 'A-02';
