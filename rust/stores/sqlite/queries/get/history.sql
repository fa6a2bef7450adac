SELECT history FROM invocation WHERE id = ?1
