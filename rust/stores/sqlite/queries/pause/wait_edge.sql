INSERT INTO wait_edge (waiter, target) VALUES (?1, ?2) ON CONFLICT DO NOTHING
