-- Dead runners without claims. In ASCII `;` follows `:`.
DELETE FROM meta WHERE key > 'several:' AND key < 'several;'
  AND NOT EXISTS (SELECT 1 FROM invocation WHERE place = 4 AND runner = substr(key, 9))
