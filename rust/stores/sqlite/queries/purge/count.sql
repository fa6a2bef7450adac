SELECT count(*) FROM invocation
