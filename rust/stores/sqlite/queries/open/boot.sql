-- The boot of the machine whose steady clock the leases use.
SELECT value FROM meta WHERE key = 'boot'
