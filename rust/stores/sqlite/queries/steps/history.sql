SELECT history FROM invocation WHERE seq = ?1
