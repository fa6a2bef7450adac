DELETE FROM outcome WHERE seq = ?1
