INSERT INTO tally VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (task, queue, status) DO UPDATE SET count = count + excluded.count
