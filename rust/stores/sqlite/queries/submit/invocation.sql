-- Insert a call, unless it arrived before.
INSERT INTO invocation (id, task, args_id, parent, depth, queue, priority, due, registration_key,
                        run_key, run_limit, run_drop, status, place, history)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
ON CONFLICT (id) DO NOTHING
