DELETE FROM wait_edge WHERE waiter = ?1
