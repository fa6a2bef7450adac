DELETE FROM tally WHERE task = ?1 AND queue = ?2 AND status = ?3 AND count <= 0
