DELETE FROM arguments WHERE seq = ?1
