SELECT target FROM wait_edge WHERE waiter = ?1
