SELECT seq FROM invocation WHERE id = ?1
